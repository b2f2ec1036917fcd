import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TaskEvent } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { processesOf } from '../support/processes.ts';
import { bash, slowly, subagent } from '../support/steps.ts';

let bridge: Bridge;
let directory: string;

beforeAll(async () => {
  bridge = await startBridge({ config: { permission: { bash: { '*': 'allow', 'touch *': 'ask' } } } });
  directory = (await bridge.run([{ text: 'warm' }])).directory;
});
afterAll(() => bridge.close());

const isTool = (event: TaskEvent) => event.kind === 'tool';

/** Every command here would go on for longer. How fast a cancel is, the benchmarks tell. */
const STILL_AT_WORK_MS = 20_000;

/** Cancels, and expects it done without a wait for the work, for good, with nothing at work any more. */
async function expectCancelled(task: Task): Promise<void> {
  const began = performance.now();
  const cancelled = await bridge.execution.cancel(task, 'the tester', 'enough');
  const ms = performance.now() - began;
  expect(cancelled).toMatchObject({ status: 'cancelled', error: { code: 'CANCELLED', message: 'enough' } });
  expect(ms).toBeLessThan(STILL_AT_WORK_MS);
  expect(await bridge.busy(task)).toEqual([]);
  await expectFinal(task);
}

/** Whatever arrives later: the end event stays the one and last. */
async function expectFinal(task: Task): Promise<void> {
  const again = await bridge.execution.cancel(task, 'somebody else', undefined);
  expect(again.error?.message).toBe('enough');
  const to = { code: 'INVALID_STATE', reason: { kind: 'task_ended', taskId: task.id } };
  await expect(bridge.execution.message(task, 'agent', 'more', 'queue')).rejects.toMatchObject(to);
  await expect(bridge.execution.pause(task, 'agent', undefined)).rejects.toMatchObject(to);
  await expect(bridge.execution.resume(task, 'agent', undefined)).rejects.toMatchObject(to);
  const events = bridge.events(task);
  const ends = events.filter(({ kind }) => ['completed', 'failed', 'timeout', 'cancelled'].includes(kind));
  expect(ends).toEqual([events.at(-1)]);
  expect(events.at(-1)?.kind).toBe('cancelled');
}

it('cancels during text', async () => {
  const task = await bridge.start([slowly('bla ', 20_000)], { directory });
  await bridge.untilAsked(task);
  await expectCancelled(task);
});

it('cancels during a command, and its processes are gone', async () => {
  const task = await bridge.start([bash('sleep 31 | sleep 32'), { text: 'late' }], { directory });
  await bridge.until(task, isTool);
  await expectCancelled(task);
  const left = (await processesOf(bridge.home)).filter(({ command }) => command.includes('sleep 3'));
  expect(left).toEqual([]);
});

it('cancels during a permission wait', async () => {
  const task = await bridge.start([bash('touch x'), { text: 'late' }], { directory });
  const opened = await bridge.until(task, (event) => event.kind === 'request_opened');
  await expectCancelled(task);
  if (opened.kind !== 'request_opened') return;
  const answered = bridge.execution.answer(task, opened.request.id, { reply: 'once' }, 'late');
  await expect(answered).rejects.toMatchObject({ code: 'REQUEST_CLOSED' });
  expect(bridge.now(task).requests).toEqual([]);
});

it('cancels during a provider retry', async () => {
  const task = await bridge.start([{ fail: { status: 500 } }], { directory });
  await bridge.until(task, (event) => event.kind === 'retrying');
  await expectCancelled(task);
});

it.each(['headers', 'mid'] as const)('cancels while the provider hangs (%s)', async (hang) => {
  const task = await bridge.start([{ text: 'half a word', hang }], { directory });
  await bridge.untilAsked(task);
  await expectCancelled(task);
});

it('cancels before the session exists', async () => {
  const task = await bridge.start([bash('sleep 33')]);
  await expectCancelled(task);
  expect(bridge.now(task).sessionId).toBeUndefined();
});

it('cancels right after the prompt was accepted by a cold instance', async () => {
  const task = await bridge.start([bash('sleep 34')]);
  await bridge.until(task, (event) => event.kind === 'attached');
  await expectCancelled(task);
  expect((await processesOf(bridge.home)).filter(({ command }) => command.includes('sleep 34'))).toEqual([]);
});

it('cancels a subagent at work', async () => {
  const task = await bridge.start([subagent([bash('sleep 35')]), { text: 'late' }], { directory });
  await bridge.until(task, (event) => event.kind === 'tool' && event.tool === 'bash');
  await expectCancelled(task);
  expect((await processesOf(bridge.home)).filter(({ command }) => command.includes('sleep 35'))).toEqual([]);
});

it('cancels a paused task', async () => {
  const task = await bridge.start([bash('sleep 36')], { directory });
  await bridge.until(task, isTool);
  await bridge.execution.pause(task, 'agent', undefined);
  await expectCancelled(task);
});

it('cancels what waits in the queue, which then never starts', async () => {
  await using narrow = await startBridge({
    on: { endpoint: bridge.endpoint, model: bridge.model },
    limits: { maxConcurrent: 1 },
  });
  const running = await narrow.start([bash('sleep 37')]);
  const waiting = await narrow.start([{ text: 'never' }]);
  expect(await narrow.execution.cancel(waiting, 'agent', undefined)).toMatchObject({ status: 'cancelled' });
  await narrow.execution.cancel(running, 'agent', undefined);
  expect(narrow.events(waiting).map(({ kind }) => kind)).toEqual(['created', 'control', 'cancelled']);
});

it('cancels twenty at once', async () => {
  const tasks = await Promise.all(
    Array.from({ length: 20 }, () => bridge.start([bash('sleep 38')], { directory })),
  );
  const running = tasks.filter((task) => bridge.now(task).status !== 'queued');
  await Promise.all(running.map((task) => bridge.until(task, isTool)));
  const done = await Promise.all(tasks.map((task) => bridge.execution.cancel(task, 'agent', undefined)));
  expect(new Set(done.map(({ status }) => status))).toEqual(new Set(['cancelled']));
  expect((await processesOf(bridge.home)).filter(({ command }) => command.includes('sleep 38'))).toEqual([]);
});

it('tells of a task that has ended otherwise', async () => {
  const task = await bridge.run([{ text: 'done' }], { directory });
  await expect(bridge.execution.cancel(task, 'agent', undefined)).rejects.toMatchObject({
    code: 'INVALID_STATE',
    message: expect.stringContaining('has ended as completed'),
  });
});
