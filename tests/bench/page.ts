import { startPageServer } from '../web/browser.ts';
import { launchChromium, noChromium } from '../web/support/chromium.ts';
import { ms, type Row } from './report.ts';
import { median, timed } from './sample.ts';

const TASKS = 50;
const ROUNDS = 15;
const WHAT = `navigation to / until the list of ${TASKS} tasks can be used, each time in a new profile, n=${ROUNDS}`;
const GOAL = 'within 300 ms';

/** The page, in Debian's Chromium on this machine. */
export async function* pageRows(): AsyncGenerator<Row> {
  yield await firstPaint();
}

async function firstPaint(): Promise<Row> {
  if (noChromium !== undefined) {
    return { what: WHAT, measured: 'not here', comparison: noChromium, goal: GOAL, ok: undefined };
  }
  await using server = await startPageServer({ limits: { maxQueued: TASKS } });
  for (let n = 0; n < TASKS; n += 1) await server.api.start({ task_description: `Do part ${n}.` });
  const browser = await launchChromium();
  try {
    const open = async (): Promise<number> => {
      const context = await browser.newContext();
      const page = await context.newPage();
      const time = await timed(async () => {
        await page.goto(`${server.http.url}/`, { waitUntil: 'commit' });
        await page.getByRole('link', { name: `Do part ${TASKS - 1}.` }).waitFor();
      });
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
