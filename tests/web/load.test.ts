import { afterAll, beforeAll, expect, it } from 'vitest';
import { startPageServer } from './browser.ts';
import { useBrowser } from './support/browser.ts';
import { heapBytes, worstTask } from './support/long-tasks.ts';

const browser = useBrowser();
const EVENTS = 20_000;
const A_SECOND = 200;
const SECONDS = 3;
const LIMIT_MS = 100;
const HEAP_LIMIT = 150_000_000;

let server: Awaited<ReturnType<typeof startPageServer>>;
let busy: string;

beforeAll(async () => {
  server = await startPageServer();
  // Longer than the case may take: no event can be added to a task that has ended.
  busy = await server.api.start({ task_description: 'Do all of it at once.', timeout_ms: 600_000 });
  for (let n = 0; n < EVENTS; n += 1) append(n);
});
afterAll(() => server[Symbol.asyncDispose]());

/** By turns a command with its output, and words of the model. */
function append(n: number): void {
  const call = {
    kind: 'tool',
    call_id: `call_${n >> 2}`,
    tool: 'bash',
    title: `make part-${n >> 2}`,
  } as const;
  const output = `\u001b[32mok\u001b[0m part ${n} is made\n`.repeat(5);
  const kinds = [
    { ...call, phase: 'started' },
    { ...call, phase: 'finished', ok: true, exit_code: 0, duration_ms: 12, output },
    {
      kind: 'output',
      text: `Part ${n} is made; the next one follows. `.repeat(4),
      message_id: 'm',
      part_id: `p${n}`,
    },
    { kind: 'file_changed', path: `src/part-${n}.ts`, tool: 'write' },
  ] as const;
  const event = kinds[n % 4];
  if (event) server.bridge.log.append(busy, event);
}

/** 200 events a second for some seconds, and meanwhile what a person does. */
async function whileEventsCome(first: number, act: (second: number) => Promise<unknown>): Promise<void> {
  let n = first;
  const timer = setInterval(() => {
    for (const end = n + A_SECOND / 20; n < end; n += 1) append(n);
  }, 50);
  try {
    for (let second = 0; second < SECONDS; second += 1) await act(second);
  } finally {
    clearInterval(timer);
  }
}

it('a task with 20,000 events, and 200 more a second, stays smooth in each view; its memory is bounded', async () => {
  await using view = await browser.open(`${server.http.url}/tasks/${busy}`);
  const { page } = view;
  for (const name of ['Output', 'Raw events', 'Timeline']) {
    await page.getByRole('tab', { name }).click();
    await page.getByRole('tabpanel', { name }).waitFor();
    await expect.poll(() => page.getByText('Loading…').count()).toBe(0);
    await page.mouse.move(600, 600);
    const first = server.bridge.log.get(busy)?.lastSeq ?? 0;
    const worst = await worstTask(page, () =>
      whileEventsCome(first, async (second) => {
        for (let turn = 0; turn < 10; turn += 1) {
          await page.mouse.wheel(0, second % 2 === 0 ? -400 : 400);
          await page.waitForTimeout(100);
        }
      }),
    );
    expect(worst, name).toBeLessThan(LIMIT_MS);
  }
  expect(await heapBytes(page)).toBeLessThan(HEAP_LIMIT);
});
