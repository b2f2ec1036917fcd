import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bridge, startBridge } from '../support/bridge.ts';
import type { Order } from '../support/manage.ts';
import { sharedEngine } from '../support/shared-engine.ts';
import { bash } from '../support/steps.ts';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await startBridge({ on: await sharedEngine(), limits: { maxConcurrent: 1, maxQueued: 3 } });
  await mkdir(bridge.workspaceDir, { recursive: true });
});
afterAll(() => bridge.close());

it.each<[string, Order, object]>([
  ['an empty description', { description: '' }, { message: expect.stringContaining('task_description') }],
  ['a blank description', { description: ' \n\t' }, { message: expect.stringContaining('empty') }],
  [
    'a description of 10 MB',
    { description: 'x'.repeat(10_000_000) },
    { code: 'PAYLOAD_TOO_LARGE', message: expect.stringContaining('10000000') },
  ],
  ['a model without a slash', { model: 'gpt' }, { message: expect.stringContaining('"gpt"') }],
  ['a negative limit', { timeoutMs: -1 }, { message: expect.stringContaining('-1') }],
  ['no limit at all', { timeoutMs: Number.POSITIVE_INFINITY }, {}],
  ['half a millisecond', { timeoutMs: 1.5 }, {}],
  ['a limit of weeks', { timeoutMs: 10 ** 10 }, { message: expect.stringContaining('3600000') }],
  ['a directory outside', { directory: '/etc' }, { message: expect.stringContaining('/etc') }],
  ['a directory outside by ..', { directory: '../home' }, { message: expect.stringContaining('outside') }],
  [
    'a directory outside by a symlink',
    { directory: 'link' },
    { message: expect.stringContaining('outside') },
  ],
  ['a directory that is not there', { directory: 'nope' }, { message: expect.stringContaining('nope') }],
  ['an unknown task to continue', { continueTaskId: 'task_nope' }, { code: 'TASK_NOT_FOUND' }],
])('refuses %s without a trace', async (_name, input, error) => {
  await symlink(bridge.home, join(bridge.workspaceDir, 'link')).catch(() => undefined);
  const before = { files: await readdir(bridge.workspaceDir), tasks: bridge.store.countByStatus() };
  await expect(bridge.start([{ text: 'x' }], input)).rejects.toMatchObject({
    name: 'BridgeError',
    code: 'INVALID_INPUT',
    ...error,
  });
  expect(await readdir(bridge.workspaceDir)).toEqual(before.files);
  expect(bridge.store.countByStatus()).toEqual(before.tasks);
  expect(await bridge.execution.metrics()).toMatchObject({ running: 0, queued: 0 });
});

it('answers a repeated input with the same task, and refuses another under the same key', async () => {
  const input = { idempotencyKey: 'k1', description: 'Say hi' };
  const first = await bridge.execution.execute('agent', input);
  const again = await bridge.execution.execute('agent', { ...input });
  expect(again).toMatchObject({ repeated: true, task: { id: first.task.id } });
  await bridge.end(first.task);
  const afterwards = await bridge.execution.execute('agent', input);
  expect(afterwards).toMatchObject({ repeated: true, task: { id: first.task.id, status: 'completed' } });
  for (const other of [{ description: 'Say ho' }, { timeoutMs: 5_000 }, { model: 'mock/m2' }]) {
    await expect(bridge.execution.execute('agent', { ...input, ...other })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
      message: expect.stringContaining(first.task.id),
    });
  }
  const free = await bridge.execution.execute('other agent', input);
  expect(free).toMatchObject({ repeated: false });
  await bridge.end(free.task);
});

it('takes the same observers in another order, or named twice, for the same input', async () => {
  const observers = Array.from({ length: 50 }, (_, n) => `@u${n}:example.org`);
  const input = { idempotencyKey: 'observed', description: 'Say hi', observers };
  const first = await bridge.execution.execute('agent', input);
  const other = { ...input, observers: [...observers.toReversed(), ...observers] };
  const again = await bridge.execution.execute('agent', other);
  expect(again).toMatchObject({ repeated: true, task: { id: first.task.id, observers } });
  const fewer = { ...input, observers: observers.slice(1) };
  await expect(bridge.execution.execute('agent', fewer)).rejects.toMatchObject({
    code: 'IDEMPOTENCY_CONFLICT',
  });
  await bridge.end(first.task);
});

it('makes one task of duplicates that come at once', async () => {
  const input = { idempotencyKey: 'k2', description: 'Say hi once' };
  const accepted = await Promise.all(
    Array.from({ length: 10 }, () => bridge.execution.execute('agent', input)),
  );
  expect(new Set(accepted.map(({ task }) => task.id)).size).toBe(1);
  expect(accepted.filter(({ repeated }) => !repeated)).toHaveLength(1);
  const [first] = accepted;
  if (first) await bridge.end(first.task);
});

it('says the position in the queue, and refuses what does not fit in', async () => {
  const running = await bridge.start([bash('sleep 20')]);
  const input = { idempotencyKey: 'k3', description: 'Say hi' };
  const first = await bridge.execution.execute('agent', input);
  const second = await bridge.execution.execute('agent', { description: 'Say ho' });
  const third = await bridge.execution.execute('agent', { description: 'Say hu' });
  expect([first, second, third].map(({ queuePosition }) => queuePosition)).toEqual([1, 2, 3]);
  const before = bridge.store.countByStatus();
  await expect(bridge.execution.execute('agent', { description: 'Say he' })).rejects.toMatchObject({
    code: 'QUEUE_FULL',
    retryAfterSeconds: expect.any(Number),
  });
  expect(bridge.store.countByStatus()).toEqual(before);
  const repeated = await bridge.execution.execute('agent', input);
  expect(repeated).toMatchObject({ repeated: true, task: { id: first.task.id }, queuePosition: 1 });
  const other = bridge.execution.execute('agent', { ...input, description: 'Say it' });
  await expect(other).rejects.toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' });
  await bridge.execution.cancel(running, 'agent', undefined);
  const ends = await Promise.all([first, second, third].map(({ task }) => bridge.end(task)));
  expect(ends.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
});

it('serves agents by turns where one floods the queue', async () => {
  const running = await bridge.start([bash('sleep 20')], { agentId: 'flood' });
  const flood = [await bridge.start([], { agentId: 'flood', description: 'f1' })];
  flood.push(await bridge.start([], { agentId: 'flood', description: 'f2' }));
  const single = await bridge.start([], { agentId: 'single', description: 's1' });
  expect(await bridge.execution.queuePosition(single.id)).toBe(2);
  await bridge.execution.cancel(running, 'agent', undefined);
  const ends = await Promise.all([...flood, single].map((task) => bridge.end(task)));
  const [first, second, other] = ends.map(({ startedAt = 0 }) => startedAt);
  expect(first).toBeLessThan(other ?? 0);
  expect(other).toBeLessThan(second ?? 0);
});
