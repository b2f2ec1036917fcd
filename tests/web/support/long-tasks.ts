import type { Page } from 'playwright-core';
import { z } from 'zod';

/** Runs in the page before its own scripts: notes how long its event loop was busy at a time, beyond 50 ms. */
export const OBSERVE_LONG_TASKS = `globalThis.longTasks = [];
new PerformanceObserver((list) => globalThis.longTasks.push(...list.getEntries().map(({ duration }) => duration)))
  .observe({ type: 'longtask', buffered: true });`;

/** The long tasks since the last call, in milliseconds each. */
export async function takeLongTasks(page: Page): Promise<number[]> {
  return z.array(z.number()).parse(await page.evaluate('globalThis.longTasks.splice(0)'));
}

/** Bytes of the page's JavaScript heap after a garbage collection. */
export async function heapBytes(page: Page): Promise<number> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('HeapProfiler.collectGarbage');
  const { usedSize } = await devtools.send('Runtime.getHeapUsage');
  await devtools.detach();
  return usedSize;
}

const traceSchema = z.object({
  traceEvents: z.array(
    z.object({ name: z.string(), dur: z.number().optional(), tdur: z.number().optional() }),
  ),
});

/** Work of a known size, which sorts and writes as a page does; runs as a task of its own, a few times. */
const KNOWN_WORK = `(async () => {
  for (let round = 0; round < 5; round += 1) await new Promise((resolve) => setTimeout(() => {
    const numbers = Array.from({ length: 60_000 }, (_, index) => (index * 7_919) % 60_013);
    numbers.sort((a, b) => a - b);
    globalThis.written = JSON.stringify(numbers.map((value) => ({ value }))).length;
    resolve();
  }));
})()`;
/** What the longest of them takes of a processor that does nothing else, in milliseconds. */
const KNOWN_MS = 18;

/**
 * The most processor time that the page's main thread spent in one task while `work` ran, in milliseconds of a machine
 * that does nothing else. By the clock, as `takeLongTasks` has it, a task takes longer if others take the processor; and
 * even its processor time is longer if they take the caches. So work of a known size is measured before and after.
 */
export async function worstTask(page: Page, work: () => Promise<unknown>): Promise<number> {
  const known = (): Promise<number> => worstOf(page, () => page.evaluate(KNOWN_WORK));
  const before = await known();
  const worst = await worstOf(page, work);
  const slowness = Math.max(1, before / KNOWN_MS, (await known()) / KNOWN_MS);
  return worst / slowness;
}

async function worstOf(page: Page, work: () => Promise<unknown>): Promise<number> {
  const browser = page.context().browser();
  if (!browser) throw new Error('the page belongs to no browser');
  await browser.startTracing(page, { categories: ['disabled-by-default-devtools.timeline'] });
  await work();
  const trace: unknown = JSON.parse((await browser.stopTracing()).toString());
  const tasks = traceSchema.parse(trace).traceEvents.filter(({ name }) => name === 'RunTask');
  return tasks.reduce((worst, { tdur = 0 }) => Math.max(worst, tdur / 1_000), 0);
}
