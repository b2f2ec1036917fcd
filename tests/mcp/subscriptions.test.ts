import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { isEnd } from '../../src/tasks/task.ts';
import { startServer } from '../http/server.ts';
import type { TestClient } from './bridge.ts';

let server: Awaited<ReturnType<typeof startServer>>;
let ann: TestClient;

beforeAll(async () => {
  server = await startServer({ limits: { maxConcurrent: 20 } });
});
afterAll(() => server[Symbol.asyncDispose]());
afterEach(() => ann.close());

/** A task of Ann's that runs, and her client with a connection of its own. */
async function started(): Promise<string> {
  ann = await server.client({ 'x-agent-id': 'ann' });
  const id = await ann.start();
  await server.bridge.runner.turnOf(id);
  return id;
}

async function complete(id: string): Promise<void> {
  (await server.bridge.runner.turnOf(id)).complete('done');
  await server.bridge.until(id, ({ status }) => isEnd(status));
}

/** The signals of what is followed from now on. */
function followed(): AbortSignal[] {
  const { execution } = server.bridge;
  const signals: AbortSignal[] = [];
  const follow = execution.follow.bind(execution);
  execution.follow = (task, afterSeq, signal) => {
    signals.push(signal);
    return follow(task, afterSeq, signal);
  };
  return signals;
}

test('a burst is one update or two, and the end is never missed', async () => {
  const id = await started();
  const began = performance.now();
  const updates: string[] = [];
  const read: string[] = [];
  await ann.client.subscribe(`task://${id}`, async (uri) => {
    updates.push(uri);
    const [content] = (await ann.client.readResource(uri)).contents;
    read.push(content && 'text' in content ? JSON.parse(content.text).status : '');
  });
  const run = await server.bridge.runner.turnOf(id);
  for (let n = 0; n < 100; n += 1) run.tool('bash', `step ${n}`);
  await expect.poll(() => updates.length).toBeGreaterThan(0);
  for (let n = 0; n < 100; n += 1) run.tool('bash', `again ${n}`);
  await complete(id);
  // Whoever reads at each update has read the end.
  await expect.poll(() => read.at(-1)).toBe('completed');
  // The first at once, the last at the end, and one each half second between them.
  expect(updates.length).toBeLessThanOrEqual(2 + Math.ceil((performance.now() - began) / 500));
  expect(new Set(updates)).toEqual(new Set([`task://${id}`]));
});

test('a result changes at the end, and not with each step', async () => {
  const id = await started();
  const updates: string[] = [];
  const uri = `task://${id}/result`;
  const onUpdate = (updated: string) => void updates.push(updated);
  await ann.client.subscribe(uri, onUpdate);
  const run = await server.bridge.runner.turnOf(id);
  run.tool('bash', 'a step');
  await complete(id);
  await expect.poll(() => updates).toEqual([uri]);
});

test('one who comes after the end is told once', async () => {
  const id = await started();
  await complete(id);
  const updates: string[] = [];
  await ann.client.subscribe(`task://${id}/diff`, (uri) => void updates.push(uri));
  await expect.poll(() => updates).toEqual([`task://${id}/diff`]);
});

test('nothing is followed any more after the end of a subscription, and of a client', async () => {
  const id = await started();
  const signals = followed();
  const subscription = await ann.client.subscribe(`task://${id}`, () => undefined);
  await expect.poll(() => signals.length).toBe(1);
  await subscription.close();
  await expect.poll(() => signals[0]?.aborted).toBe(true);
  const other = await server.client({ 'x-agent-id': 'ann' });
  await other.client.subscribe(`task://${id}/events`, () => undefined);
  await expect.poll(() => signals.length).toBe(2);
  await other.client.end();
  await expect.poll(() => signals[1]?.aborted).toBe(true);
});
