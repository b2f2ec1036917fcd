import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { processesOf } from '../support/processes.ts';
import { sharedEngine } from '../support/shared-engine.ts';
import { bash, slowly, subagent, subagentCall } from '../support/steps.ts';

let bridge: Bridge;
let directory: string;

beforeAll(async () => {
  bridge = await startBridge({ on: await sharedEngine() });
  directory = join(bridge.workspaceDir, 'warm');
  await mkdir(directory, { recursive: true });
  await bridge.run([{ text: 'warm' }], { directory });
});
afterAll(() => bridge.close());

/** Every command here would go on for longer: an end before that did not wait for it. How fast it is, the benchmarks tell. */
const STILL_AT_WORK_MS = 15_000;
const took = ({ startedAt = 0, endedAt = 0 }: Task) => endedAt - startedAt;
const sleepers = async () =>
  (await processesOf(bridge.home)).filter(({ command }) => command.includes('sleep 2'));

async function expectTimeout(task: Task, limitMs: number): Promise<void> {
  expect(task).toMatchObject({ status: 'timeout', error: { code: 'TIMEOUT' } });
  expect(took(task)).toBeGreaterThanOrEqual(limitMs);
  expect(took(task)).toBeLessThan(limitMs + STILL_AT_WORK_MS);
  expect(await bridge.busy(task)).toEqual([]);
  expect(await sleepers()).toEqual([]);
  expect(bridge.events(task).at(-1)?.kind).toBe('timeout');
}

it('ends a long command at the limit and leaves nothing running', async () => {
  await expectTimeout(
    await bridge.run([bash('sleep 20'), { text: 'late' }], { timeoutMs: 3_000, directory }),
    3_000,
  );
});

it('ends a long command of a subagent at the limit', async () => {
  const task = await bridge.start([subagent([bash('sleep 21')]), { text: 'late' }], {
    timeoutMs: 6_000,
    directory,
  });
  await bridge.until(task, (event) => event.kind === 'tool' && event.tool === 'bash');
  await expect.poll(sleepers).not.toEqual([]);
  await expectTimeout(await bridge.end(task), 6_000);
});

it('ends two subagents and a command at once at the limit', async () => {
  const calls = [subagentCall([bash('sleep 22')]), subagentCall([bash('sleep 23')])];
  const both = { tools: [...calls, ...(bash('sleep 24').tools ?? [])] };
  await expectTimeout(await bridge.run([both, { text: 'late' }], { timeoutMs: 3_000, directory }), 3_000);
});

it('ends a model that talks without end', async () => {
  const task = await bridge.run([slowly('bla ', 20_000)], { timeoutMs: 1_500, directory });
  await expectTimeout(task, 1_500);
});

it('counts from the start of the task, not from the prompt', async () => {
  const task = await bridge.run([bash('sleep 25')], { timeoutMs: 300, directory });
  await expectTimeout(task, 300);
});

it('keeps what was done until the limit', async () => {
  const task = await bridge.run([bash('echo half > half.txt; sleep 26')], { timeoutMs: 4_000, directory });
  await expectTimeout(task, 4_000);
  expect(task.result?.files_changed).toMatchObject([{ path: 'half.txt', change: 'added' }]);
});
