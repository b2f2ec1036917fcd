import { once } from 'node:events';
import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import { isSettled } from '../../src/api/wait-for-task.ts';
import { progressSender } from '../../src/mcp/progress.ts';
import type { ToolCall } from '../../src/mcp/tool.ts';
import { waitFor } from '../../src/mcp/wait.ts';
import { type BridgeOptions, startScriptedBridge } from './bridge.ts';

const FAST = { maxWaitMs: 50_000, progressEveryMs: 1, keepAliveMs: 10_000 };

/** A bridge, a client, and the first sync task of it as soon as its turn has begun. */
async function syncTask(options: BridgeOptions = {}) {
  const bridge = await startScriptedBridge(options);
  const client = await bridge.client();
  const order = { task_description: 'do it', sync: true, idempotency_key: 'sync' };
  const progress: { message?: string | undefined; progress: number; total?: number | undefined }[] = [];
  const cancel = new AbortController();
  const follow = vi.spyOn(bridge.execution, 'followLive');
  const answer = client.call('opencode_execute_task', order, {
    onprogress: (it) => progress.push(it),
    signal: cancel.signal,
  });
  answer.catch(() => undefined);
  const [task, , signal] = await vi.waitFor(
    () => z.tuple([z.any(), z.any(), z.any()]).parse(follow.mock.calls[0]),
    20_000,
  );
  const id = z.string().parse(task.id);
  const run = await bridge.runner.turnOf(id);
  return {
    bridge,
    client,
    order,
    answer,
    progress,
    cancel,
    id,
    run,
    signal: z.instanceof(AbortSignal).parse(signal),
    [Symbol.asyncDispose]: () => bridge[Symbol.asyncDispose](),
  };
}

test('a sync call tells what happens and answers with the result', async () => {
  await using t = await syncTask({ toolLimits: FAST });
  t.run.tool('bash', 'node hello.js');
  t.run.emit({ kind: 'todo', items: [{ content: 'a', status: 'completed', priority: '' }] });
  t.run.emit({ kind: 'file_changed', path: 'hello.js', tool: 'write' });
  t.run.complete('hello');
  const { structured, text } = await t.answer;
  expect(structured).toMatchObject({
    task_id: t.id,
    status: 'completed',
    result: { summary: 'hello' },
    requests: [],
  });
  expect(text).toContain('hello');
  const lines = t.progress.map(({ message }) => message);
  expect(lines[0]).toBe('accepted');
  expect(lines, 'the end is told by the result').not.toContain('completed');
  const numbers = t.progress.map(({ progress }) => progress);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  expect(t.progress.at(-1)).toMatchObject({ total: 100 });
});

test('between two events progress shows the last line of the live text', async () => {
  await using t = await syncTask({ toolLimits: FAST });
  const shows = (line: string) =>
    vi.waitFor(() => expect(t.progress.at(-1)?.message).toBe(line), { timeout: 60_000 });
  const part = { kind: 'text', id: 'prt_1', child: false } as const;
  t.run.emit({ kind: 'todo', items: [{ content: 'a', status: 'completed', priority: '' }] });
  t.run.live.begin(part);
  t.run.live.append(part, 'First line.\nSecond');
  await shows('Second');
  expect(t.progress.at(-1)).toMatchObject({ total: 100 });
  t.run.live.append(part, ' line.\n\n');
  await shows('Second line.');
  t.run.tool('bash', 'make');
  await shows('bash done: make');
  t.run.complete('made');
  expect((await t.answer).structured).toMatchObject({ status: 'completed' });
});

test('no progress comes right before the result, where the client no longer knows its token', async () => {
  await using t = await syncTask({ toolLimits: { ...FAST, progressEveryMs: 60_000 } });
  const unknown = vi.fn();
  t.client.client.onerror = unknown;
  await vi.waitFor(() => expect(t.progress).toHaveLength(1), 60_000);
  // Held back because of the pace, and then overtaken by the end.
  t.run.tool('bash', 'the last step');
  t.run.complete('done');
  await t.answer;
  expect(t.progress).toHaveLength(1);
  expect(unknown).not.toHaveBeenCalled();
});

test('what was told just before the end has left when the result leaves', async () => {
  const order: string[] = [];
  await using bridge = await startScriptedBridge({ toolLimits: FAST });
  const id = await (await bridge.client()).start();
  const run = await bridge.runner.turnOf(id);
  const result = { summary: '', files_changed: [], files_changed_total: 0, finish: 'stop' };
  const call: ToolCall = {
    services: bridge.services,
    signal: new AbortController().signal,
    ending: new AbortController().signal,
    origin: {},
    agentId: () => 'default',
    progress: (line) => {
      order.push(line);
      setImmediate(() => order.push(`left: ${line}`));
      bridge.log.append(id, { kind: 'completed', result });
    },
  };
  const task = await bridge.execution.find('default', id);
  const waited = waitFor(task, call, { afterSeq: task.lastSeq, ms: 20_000, isOver: isSettled });
  run.emit({ kind: 'file_changed', path: 'a.txt', tool: 'write' });
  order.push(`result: ${(await waited).status}`);
  expect(order).toEqual(['wrote a.txt', 'left: wrote a.txt', 'result: completed']);
});

test('numbers of progress are round, however many there are', () => {
  const told: number[] = [];
  const send = progressSender('token', async ({ progress }) => {
    told.push(progress);
  });
  for (let n = 0; n < 2_000; n += 1) send?.('line', n === 1_000 ? 33 : undefined);
  expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
  expect(told.filter((number) => String(number).length > 6)).toEqual([]);
});

test('progress comes at most so often, the latest line last, and goes on while nothing happens', async () => {
  await using t = await syncTask({
    toolLimits: { maxWaitMs: 50_000, progressEveryMs: 60_000, keepAliveMs: 20 },
  });
  const told = await vi.waitFor(() => {
    expect(t.progress.length).toBeGreaterThan(3);
    return t.progress.map(({ message }) => message);
  });
  expect(new Set(told.slice(1)).size).toBe(1);
  t.run.complete('done');
  await t.answer;
});

test('no progress is sent to a client that did not ask for it', async () => {
  await using bridge = await startScriptedBridge({ toolLimits: FAST });
  const client = await bridge.client();
  const unasked = vi.fn();
  client.client.fallbackNotificationHandler = unasked;
  client.client.onerror = unasked;
  const id = await client.start();
  (await bridge.runner.turnOf(id)).complete('done');
  await client.ok('get_task_status', { task_id: id, wait_ms: 50_000 });
  expect(unasked).not.toHaveBeenCalled();
});

test('a sync call ends when the agent asks', async () => {
  await using t = await syncTask();
  t.run.ask({ id: 'per_1', type: 'permission' });
  const { structured, text } = await t.answer;
  expect(structured).toMatchObject({ status: 'input_required', requests: [{ id: 'per_1' }] });
  expect(text).toContain('answer_task_request');
});

test('a request that the policy answers does not end the waiting', async () => {
  await using t = await syncTask({ requests: { policy: 'allow' } });
  t.run.ask({ id: 'per_1', type: 'permission' });
  await t.bridge.until(t.id, ({ requests, lastSeq }) => requests.length === 0 && lastSeq > 4);
  t.run.complete('done');
  expect((await t.answer).structured).toMatchObject({ status: 'completed' });
});

test('a sync call that waited long enough says how to go on, and the task runs on', async () => {
  await using t = await syncTask({ toolLimits: { ...FAST, maxWaitMs: 50 } });
  const { structured, text } = await t.answer;
  expect(structured).toMatchObject({ task_id: t.id, status: 'running' });
  expect(text).toContain(`still running: call get_task_status with task_id "${t.id}" and wait_ms`);
});

test('a repeated sync call waits for the task of the first', async () => {
  await using t = await syncTask();
  const second = t.client.call('opencode_execute_task', t.order);
  t.run.complete('done');
  const [first, again] = await Promise.all([t.answer, second]);
  expect(first.structured).toMatchObject({ repeated: false, status: 'completed' });
  expect(again.structured).toMatchObject({ task_id: t.id, repeated: true, status: 'completed' });
});

test('cancelling a waiting call stops the waiting, never the task', async () => {
  await using t = await syncTask();
  const stopped = once(t.signal, 'abort');
  t.cancel.abort('enough');
  await expect(t.answer).rejects.toThrow('enough');
  await stopped;
  expect(t.bridge.log.get(t.id)?.status).toBe('running');
  t.run.complete('done');
  await t.bridge.until(t.id, ({ status }) => status === 'completed');
});

test('wait_ms ends at the first change that matters, not before', async () => {
  await using bridge = await startScriptedBridge();
  const client = await bridge.client();
  const id = await client.start();
  const run = await bridge.runner.turnOf(id);
  const waiting = async () =>
    (await client.ok('get_task_status', { task_id: id, wait_ms: 50_000 })).structured;
  const follow = vi.spyOn(bridge.execution, 'follow');

  const paused = waiting();
  await vi.waitFor(() => expect(follow).toHaveBeenCalledTimes(1), 60_000);
  run.tool('bash', 'a step that does not matter');
  await client.ok('send_task_control', { task_id: id, control: 'pause' });
  expect(await paused).toMatchObject({ status: 'paused' });

  const resumed = waiting();
  await vi.waitFor(() => expect(follow).toHaveBeenCalledTimes(2), 60_000);
  await client.ok('send_task_control', { task_id: id, control: 'resume' });
  expect(await resumed).toMatchObject({ status: 'running' });

  const asked = waiting();
  await vi.waitFor(() => expect(follow).toHaveBeenCalledTimes(3), 60_000);
  run.ask({ id: 'per_1', type: 'permission' });
  expect(await asked).toMatchObject({ status: 'input_required' });
  expect(await waiting(), 'open requests are told at once').toMatchObject({ status: 'input_required' });

  await client.ok('answer_task_request', { task_id: id, request_id: 'per_1', reply: 'once' });
  const ended = waiting();
  run.complete('done');
  expect(await ended).toMatchObject({ status: 'completed' });
  expect(await waiting(), 'an ended task is told at once').toMatchObject({ status: 'completed' });
});

test('wait_ms that runs out answers with what there is', async () => {
  await using bridge = await startScriptedBridge();
  const client = await bridge.client();
  const id = await client.start();
  const { structured } = await client.ok('get_task_status', { task_id: id, wait_ms: 20 });
  expect(structured).toMatchObject({ status: 'running' });
});
