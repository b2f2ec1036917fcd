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

/**
 * The most processor time that the page's main thread spent in one task while `work` ran, in milliseconds. How long a
 * task took by the clock, as `takeLongTasks` has it, depends on what else the machine does.
 */
export async function worstTask(page: Page, work: () => Promise<unknown>): Promise<number> {
  const browser = page.context().browser();
  if (!browser) throw new Error('the page belongs to no browser');
  await browser.startTracing(page, { categories: ['disabled-by-default-devtools.timeline'] });
  await work();
  const trace: unknown = JSON.parse((await browser.stopTracing()).toString());
  const tasks = traceSchema.parse(trace).traceEvents.filter(({ name }) => name === 'RunTask');
  return tasks.reduce((worst, { tdur = 0 }) => Math.max(worst, tdur / 1_000), 0);
}
