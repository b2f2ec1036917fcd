import { WEB_FOLDER } from '../../src/package.ts';
import { startPageServer } from '../web/browser.ts';
import { launchChromium, noChromium } from '../web/support/chromium.ts';
import { ms, type Row } from './report.ts';
import { median } from './sample.ts';

const TASKS = 50;
const ROUNDS = 15;
const WHAT = `navigation to / until the list of ${TASKS} tasks can be used, each time in a new profile, n=${ROUNDS}`;
const GOAL = 'within 300 ms';

/**
 * Measures in the page, from the start of the navigation until the newest task is drawn and a click on it is handled:
 * the answers of a driver outside of the browser take time of their own.
 */
const MEASURE = `new MutationObserver((_, observer) => {
  const isNewest = (link) => link.textContent === 'Do part ${TASKS - 1}.';
  if (![...document.querySelectorAll('main a')].some(isNewest)) return;
  observer.disconnect();
  // The frame with the list, and then a task of the event loop after it.
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => globalThis.usableAfter(performance.now());
    port2.postMessage(0);
  });
}).observe(document, { childList: true, subtree: true });`;

/** The page, in Debian's Chromium on this machine. */
export async function* pageRows(): AsyncGenerator<Row> {
  yield await firstPaint();
}

async function firstPaint(): Promise<Row> {
  if (noChromium !== undefined) {
    return { what: WHAT, measured: 'not here', comparison: noChromium, goal: GOAL, ok: undefined };
  }
  await using server = await startPageServer({ limits: { maxQueued: TASKS }, folder: WEB_FOLDER });
  for (let n = 0; n < TASKS; n += 1) await server.api.start({ task_description: `Do part ${n}.` });
  const browser = await launchChromium();
  try {
    const open = async (): Promise<number> => {
      const context = await browser.newContext();
      const page = await context.newPage();
      const usable = Promise.withResolvers<number>();
      await page.exposeFunction('usableAfter', usable.resolve);
      await page.addInitScript(MEASURE);
      await page.goto(`${server.http.url}/`);
      const time = await usable.promise;
      await context.close();
      return time;
    };
    // The first one bundles the page.
    await open();
    const times: number[] = [];
    for (let n = 0; n < ROUNDS; n += 1) times.push(await open());
    const time = median(times);
    return {
      what: WHAT,
      measured: ms(time),
      comparison: `at most ${ms(Math.max(...times))}`,
      goal: GOAL,
      ok: time <= 300,
    };
  } finally {
    await browser.close();
  }
}
