import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, type BridgeSetup, startBridge } from '../support/bridge.ts';
import { markSdkInstalled } from '../support/opencode.ts';
import { type FaultyProxy, startFaultyProxy } from '../support/proxy.ts';
import { bash, slowly } from '../support/steps.ts';

let owner: Bridge;
let proxy: FaultyProxy;

beforeAll(async () => {
  owner = await startBridge();
  await owner.endpoint.listening?.();
  proxy = await startFaultyProxy(owner.endpoint.url);
});
afterEach(() => {
  proxy.fault = () => undefined;
});
afterAll(async () => {
  await proxy.close();
  await owner.close();
});

const through = (setup: BridgeSetup = {}) =>
  startBridge({ ...setup, on: { endpoint: { ...owner.endpoint, url: proxy.url }, model: owner.model } });

/** A folder whose configuration names an MCP server that never answers. */
async function hanging(name: string, timeout: number): Promise<string> {
  const directory = join(owner.workspaceDir, name);
  await mkdir(directory, { recursive: true });
  const mcp = { slow: { type: 'local', command: ['sleep', '611'], timeout } };
  await writeFile(join(directory, 'opencode.json'), JSON.stringify({ mcp }));
  return directory;
}

const warnings = (on: Bridge, task: Task) =>
  on.events(task).flatMap((event) => (event.kind === 'warning' ? [event] : []));

// These wait for MCP servers, each in a folder of its own, and so all at once.
it.concurrent('waits for an MCP server that does not start, and says so', async () => {
  const task = await owner.run([bash('echo x'), { text: 'ok' }], {
    directory: await hanging('waits', 15_000),
  });
  expect(task).toMatchObject({ status: 'completed', result: { summary: 'ok' } });
  expect(warnings(owner, task)).toMatchObject([
    { code: 'ENGINE_STARTING', message: expect.stringMatching(/MCP servers.*"slow".*600 s/) },
  ]);
});

it.concurrent('blames nobody for what breaks off with a turn that it has ended itself', async () => {
  const turnLimits = { stallMs: 3_000 };
  await using hasty = await startBridge({ on: owner, roots: [owner.workspaceDir], turnLimits });
  const task = await hasty.run([{ text: 'ok' }], { directory: await hanging('stalls', 5_000) });
  expect(JSON.stringify(hasty.events(task))).not.toContain('ABORTED_EXTERNALLY');
  expect(warnings(hasty, task).map(({ code }) => code)).toContain('TURN_STALLED');
});

it.concurrent('lets a task go on though another in its folder is cancelled while both start', async () => {
  const directory = await hanging('shared', 6_000);
  const first = await owner.start([{ text: 'never' }], { directory });
  const second = await owner.start([{ text: 'ok' }], { directory });
  const isStarting = async () => (await owner.busy(second)).length === 2;
  while (!(await isStarting())) await new Promise((resolve) => setTimeout(resolve, 50));
  await owner.execution.cancel(first, 'agent', undefined);
  expect(await owner.end(second), JSON.stringify(owner.events(second))).toMatchObject({
    status: 'completed',
  });
});

it('lets a task go on that was paused while the tools of its folder were loading', async () => {
  const directory = join(owner.workspaceDir, 'tools');
  await mkdir(join(directory, '.opencode', 'tool'), { recursive: true });
  const slow = 'await new Promise((resolve) => setTimeout(resolve, 3_000));';
  const tool = "export default { description: 'Slow', args: {}, execute: async () => 'done' };";
  await writeFile(join(directory, '.opencode', 'tool', 'slow.ts'), `${slow}\n${tool}\n`);
  // An instance that is disposed of during the install of the SDK leaves its lock behind, and the next one with tools
  // waits until the lock is 60 s old.
  markSdkInstalled(join(directory, '.opencode'));
  const task = await owner.start([{ text: 'ok' }], { directory });
  const isStarting = async () => {
    const attached = owner.events(task).find(({ kind }) => kind === 'attached');
    if (attached?.kind !== 'attached') return false;
    const { data } = await owner.client.session.messages({ sessionID: attached.session_id, directory });
    return data?.some(({ info }) => info.role === 'assistant');
  };
  await vi.waitFor(async () => expect(await isStarting()).toBe(true), { timeout: 60_000, interval: 50 });
  await owner.execution.pause(task, 'agent', undefined);
  await owner.execution.resume(task, 'agent', undefined);
  expect(await owner.end(task), JSON.stringify(owner.events(task))).toMatchObject({ status: 'completed' });
});

it('waits for an OpenCode that answers with HTTP 500 for a while, at each step of a start, and says so', async () => {
  await using late = await through();
  const began = Date.now();
  const failed = new Set<string>();
  proxy.fault = (method, path) => {
    const step = `${method} ${path.replace(/\?.*|ses_\w+/g, '')}`;
    const fails = path.startsWith('/global/') ? false : Date.now() - began < 5_000 || !failed.has(step);
    if (fails) failed.add(step);
    return fails ? { status: 500, type: 'application/json', body: '{"name":"UnknownError"}' } : undefined;
  };
  const task = await late.run([{ text: 'ok' }]);
  expect(task, JSON.stringify(late.events(task))).toMatchObject({
    status: 'completed',
    result: { summary: 'ok' },
  });
  expect([...failed]).toEqual(expect.arrayContaining(['POST /session', 'POST /session//prompt_async']));
  expect(warnings(late, task)).toMatchObject([
    { code: 'ENGINE_NOT_READY', message: expect.stringMatching(/HTTP 500 .* for 60 s at most/) },
  ]);
});

it('goes on after HTTP 500 where the prompt may have been sent', async () => {
  await using late = await through();
  let lost = 0;
  let refused = 0;
  proxy.fault = (_, path) => {
    if (path.includes('prompt_async') && lost++ === 0) return 'lose answer';
    const asksForRecord = path.includes('/message') && lost > 0;
    return asksForRecord && refused++ < 3 ? { status: 500 } : undefined;
  };
  const task = await late.run([slowly('bla ', 8_000)]);
  expect(task.status).toBe('completed');
  expect(refused).toBeGreaterThan(3);
  expect(late.asked(task)).toHaveLength(1);
});

it('gives up on an OpenCode that fails for longer than that, with its words', async () => {
  await using late = await through({ reachLimitMs: 5_000 });
  proxy.fault = (method, path) => {
    const body = '{"name":"UnknownError","data":{"message":"Out of order"}}';
    return method === 'POST' && path.startsWith('/session')
      ? { status: 500, type: 'application/json', body }
      : undefined;
  };
  const task = await late.run([{ text: 'never' }]);
  expect(task).toMatchObject({
    status: 'failed',
    error: {
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('HTTP 500 to "create session": Out of order'),
    },
  });
  expect((task.endedAt ?? 0) - (task.startedAt ?? 0)).toBeLessThan(20_000);
});
