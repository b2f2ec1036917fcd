import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { startFaultyProxy } from '../support/proxy.ts';
import { sharedEngine } from '../support/shared-engine.ts';
import { bash, slowly, subagent, subagentCall, write } from '../support/steps.ts';

let bridge: Bridge;
let directory: string;

beforeAll(async () => {
  bridge = await startBridge({ on: await sharedEngine() });
  directory = join(bridge.workspaceDir, 'warm');
  await mkdir(directory, { recursive: true });
  await bridge.run([{ text: 'warm' }], { directory });
});
afterAll(() => bridge.close());

it("does not take the child's end for the parent's", async () => {
  const parent = [subagent([{ text: 'sub done' }]), slowly('parent ', 2_000), { text: 'x' }];
  const task = await bridge.run(parent, { directory });
  expect(task.status).toBe('completed');
  expect(task.result?.summary).toMatch(/^(parent )+/);
  expect(task.result?.summary).not.toContain('sub done');
});

it('follows two children at once, and counts what they use', async () => {
  const calls = [
    subagentCall([write('one.txt', 'one\n'), { text: 'one done' }]),
    subagentCall([bash('echo two > two.txt; sleep 1'), { text: 'two done' }]),
  ];
  const task = await bridge.run([{ tools: calls }, bash('cat one.txt two.txt'), { text: 'both done' }]);
  expect(task).toMatchObject({
    status: 'completed',
    result: { summary: 'both done', files_changed: [{ path: 'one.txt' }, { path: 'two.txt' }] },
    // Three steps of the parent, two of each child; 100 in and 20 out each.
    usage: { input_tokens: 700, output_tokens: 140, cost_usd: 0.00098 },
  });
  const tools = bridge.events(task).filter((event) => event.kind === 'tool' && event.phase === 'finished');
  expect(tools.map((event) => event.kind === 'tool' && event.tool).sort()).toEqual([
    'bash',
    'bash',
    'task',
    'task',
    'write',
  ]);
  const started = bridge
    .events(task)
    .flatMap((event) => (event.kind === 'tool' && event.phase === 'started' ? [event] : []));
  const [one, two] = started.filter(({ tool }) => tool === 'task');
  const parentOf = (text: string) => started.find(({ title }) => title.includes(text))?.parent_call_id;
  expect([parentOf('one.txt'), parentOf('two > two.txt')].sort()).toEqual(
    [one?.call_id, two?.call_id].sort(),
  );
  expect(parentOf('cat one.txt'), "the task's own").toBeUndefined();
});

it('goes on after a child that failed', async () => {
  const task = await bridge.run([subagent([{ fail: { status: 401 } }]), { text: 'without it' }], {
    directory,
  });
  expect(task).toMatchObject({ status: 'completed', result: { summary: 'without it' } });
});

it('does not count the children of the task before', async () => {
  const first = await bridge.run([subagent([{ text: 'sub' }]), { text: 'first' }], { directory });
  expect(first.usage.input_tokens).toBe(300);
  const second = await bridge.start([bash('sleep 20')], { continueTaskId: first.id });
  await bridge.until(second, ({ kind }) => kind === 'tool');
  // An interruption reads OpenCode's records, those of children too.
  await bridge.execution.message(second, 'agent', 'enough', 'interrupt');
  const ended = await bridge.end(second);
  expect(ended).toMatchObject({ status: 'completed', usage: { input_tokens: 100 } });
  const tools = bridge.events(second).flatMap((event) => (event.kind === 'tool' ? [event.tool] : []));
  expect(new Set(tools)).toEqual(new Set(['bash']));
});

it('reads the records of a session after those below it, so that the call of a subagent is always known', async () => {
  const shared = await sharedEngine();
  const proxy = await startFaultyProxy(shared.endpoint.url);
  const endpoint = { ...shared.endpoint, url: proxy.url };
  const distant = await startBridge({ on: { endpoint, model: shared.model } });
  try {
    const wait = bash('until [ -e gate ]; do sleep 0.1; done');
    const task = await distant.start([subagent([wait, { text: 'sub' }]), { text: 'done' }]);
    await distant.until(task, (event) => event.kind === 'tool' && event.title.startsWith('until'));
    const order: string[] = [];
    const listed = Promise.withResolvers<void>();
    proxy.fault = async (_method, path) => {
      if (path.startsWith('/question')) listed.resolve();
      const session = /^\/session\/(\w+)\/message/.exec(path)?.[1];
      if (session === undefined) return undefined;
      const isOwn = session === distant.store.get(task.id)?.sessionId;
      order.push(isOwn ? 'own' : 'below');
      if (!isOwn) await listed.promise;
      if (!isOwn) order.push('below is read');
      return undefined;
    };
    proxy.cut();
    await vi.waitUntil(() => order.includes('own'), { timeout: 60_000 });
    expect(order).toEqual(['below', 'below is read', 'own']);
    proxy.fault = () => undefined;
    await writeFile(join(task.directory, 'gate'), '');
    expect(await distant.end(task)).toMatchObject({ status: 'completed', result: { summary: 'done' } });
  } finally {
    await distant.close();
    await proxy.close();
  }
});
