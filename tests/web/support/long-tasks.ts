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
