import { readdirSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import type { Endpoint } from '../../src/runners/opencode-server/endpoint.ts';
import { type Bridge, type BridgeSetup, startBridge } from '../support/bridge.ts';
import { type FaultyProxy, startFaultyProxy } from '../support/proxy.ts';
import { bash, slowly } from '../support/steps.ts';

/** Has the engine, and is otherwise somebody else on the same server. */
let owner: Bridge;
let proxy: FaultyProxy;
let external: Endpoint;

beforeAll(async () => {
  // As a server of an operator's own: on the bridge's own one, commands of no task are refused.
  const config = { permission: { bash: { '*': 'allow', 'touch *': 'ask' } } };
  owner = await startBridge({ config, shells: { sandbox: 'off' } });
  await owner.run([{ text: 'warm' }]);
  proxy = await startFaultyProxy(owner.endpoint.url);
  const { username, password } = owner.endpoint;
  external = { url: owner.endpoint.url, username, password };
});
afterAll(async () => {
  await proxy.close();
  await owner.close();
});

const join2 = (endpoint: Partial<Endpoint> = {}, setup: BridgeSetup = {}) =>
  startBridge({ ...setup, on: { endpoint: { ...external, ...endpoint }, model: owner.model } });
const throughProxy = () => join2({ url: proxy.url });

/** Lets nothing through until the returned function is called. */
function blackout(): () => void {
  proxy.fault = () => 'refuse';
  proxy.cut();
  return () => {
    proxy.fault = () => undefined;
  };
}

it('hears of an end and of a request though nothing says that their events were lost', async () => {
  await using bridge = await throughProxy();
  const task = await bridge.start([bash('touch asked'), { text: 'unheard' }]);
  await bridge.until(task, ({ kind }) => kind === 'attached');
  // OpenCode confirms a stream before it subscribes it: events in between are on no stream. Heartbeats come.
  proxy.copies = (frame) => (frame.includes('server.') ? 1 : 0);
  const opened = await bridge.until(task, ({ kind }) => kind === 'request_opened');
  if (opened.kind !== 'request_opened') throw new Error('no request');
  await bridge.execution.answer(task, opened.request.id, { reply: 'once' }, 'agent');
  const ended = await bridge.end(task);
  proxy.copies = () => 1;
  expect(ended).toMatchObject({ status: 'completed', result: { summary: 'unheard' } });
  expect(bridge.events(task).filter(({ kind }) => kind === 'warning')).toEqual([]);
});

it('loses nothing of a turn that ends while the stream is down', async () => {
  await using bridge = await throughProxy();
  const task = await bridge.start([bash('echo one; sleep 1'), { text: 'unheard' }]);
  await bridge.until(task, ({ kind }) => kind === 'tool');
  const light = blackout();
  await vi.waitUntil(async () => (await owner.busy(task)).length === 0, { timeout: 60_000 });
  expect(bridge.now(task).status).toBe('running');
  light();
  const ended = await bridge.end(task);
  expect(ended).toMatchObject({
    status: 'completed',
    result: { summary: 'unheard' },
    usage: { input_tokens: 200 },
  });
  const events = bridge.events(task);
  expect(events.flatMap((event) => (event.kind === 'output' ? [event.text] : []))).toEqual(['unheard']);
  expect(events.flatMap((event) => (event.kind === 'tool' ? [event.phase] : []))).toEqual([
    'started',
    'finished',
  ]);
});

it('tells what a gap swallowed even where the turn ends before the records can be read', async () => {
  await using bridge = await throughProxy();
  const task = await bridge.start([bash('sleep 1'), bash('sleep 2'), { text: 'after the gap' }]);
  await bridge.until(task, ({ kind }) => kind === 'tool');
  const light = blackout();
  await bridge.untilAsked(task, 2);
  proxy.fault = (_method, path) => (path.endsWith('/children') ? 'refuse' : undefined);
  await vi.waitUntil(async () => (await owner.busy(task)).length === 0, { timeout: 60_000 });
  light();
  expect(await bridge.end(task)).toMatchObject({ status: 'completed', result: { summary: 'after the gap' } });
  const finished = bridge.events(task).filter((event) => event.kind === 'tool' && event.phase === 'finished');
  expect(finished).toHaveLength(2);
});

it('opens a stream anew that falls silent without a cut', async () => {
  // OpenCode sends a heartbeat every 10 s.
  await using bridge = await join2({ url: proxy.url }, { silenceLimitMs: 12_000 });
  const task = await bridge.start([bash('sleep 16'), { text: 'heard again' }]);
  await bridge.until(task, ({ kind }) => kind === 'tool');
  proxy.stall();
  await bridge.until(task, (event) => event.kind === 'warning' && event.code === 'ENGINE_UNREACHABLE');
  expect(await bridge.end(task)).toMatchObject({ status: 'completed', result: { summary: 'heard again' } });
});

it('survives cuts all through a turn', async () => {
  await using bridge = await throughProxy();
  const steps = Array.from({ length: 4 }, (_, n) => bash(`echo ${n}; sleep 0.5`));
  const task = await bridge.start([...steps, { text: 'through' }]);
  await bridge.until(task, ({ kind }) => kind === 'tool');
  const cuts = setInterval(() => proxy.cut(), 300);
  const ended = await bridge.end(task).finally(() => clearInterval(cuts));
  expect(ended).toMatchObject({ status: 'completed', result: { summary: 'through' } });
  const finished = bridge.events(task).filter((event) => event.kind === 'tool' && event.phase === 'finished');
  expect(finished).toHaveLength(4);
});

it('hears of a request that was opened meanwhile, and of one that was closed', async () => {
  await using bridge = await throughProxy();
  const task = await bridge.start([bash('touch a'), bash('touch b'), { text: 'ok' }]);
  const first = await bridge.until(task, ({ kind }) => kind === 'request_opened');
  if (first.kind !== 'request_opened') return;
  const light = blackout();
  const { directory } = task;
  await owner.client.permission.reply({ requestID: first.request.id, directory, reply: 'once' });
  const pending = async () => (await owner.client.permission.list({ directory })).data?.[0];
  await vi.waitUntil(async () => ((await pending())?.id ?? first.request.id) !== first.request.id, 60_000);
  light();
  const second = await bridge.until(task, ({ kind }) => kind === 'request_opened', first.seq);
  if (second.kind !== 'request_opened') return;
  await bridge.execution.answer(task, second.request.id, { reply: 'once' }, 'tester');
  expect((await bridge.end(task)).status).toBe('completed');
  expect(
    bridge.events(task).flatMap((event) => (event.kind === 'request_closed' ? [event] : [])),
  ).toMatchObject([
    { request_id: first.request.id, by: 'opencode' },
    { request_id: second.request.id, by: 'tester', reply: 'once' },
  ]);
});

it('sends a prompt again that did not arrive', async () => {
  await using bridge = await throughProxy();
  let refused = 0;
  proxy.fault = (_method, path) => {
    if (!path.includes('prompt_async') || refused > 0) return undefined;
    refused += 1;
    return 'refuse';
  };
  const task = await bridge.run([{ text: 'arrived' }]);
  expect(task).toMatchObject({ status: 'completed', result: { summary: 'arrived' } });
  expect(refused).toBe(1);
  expect(bridge.asked(task)).toHaveLength(1);
});

it('does not send a prompt again that did arrive, though the answer was lost', async () => {
  await using bridge = await throughProxy();
  let lost = 0;
  let isStored = false;
  proxy.fault = (_method, path) => {
    if (path.includes('/message') && lost > 0 && !isStored) return { status: 500 };
    if (!path.includes('prompt_async')) return undefined;
    lost += 1;
    return 'lose answer';
  };
  const started = await bridge.start([bash('echo once'), { text: 'once' }]);
  // OpenCode answers before it has stored the prompt.
  await bridge.untilAsked(started);
  isStored = true;
  const task = await bridge.end(started);
  proxy.fault = () => undefined;
  expect(task).toMatchObject({ status: 'completed', result: { summary: 'once' } });
  expect(lost).toBe(1);
  const messages = await owner.client.session.messages({ sessionID: task.sessionId ?? '' });
  const prompts = messages.data?.filter(({ info }) => info.role === 'user') ?? [];
  expect(prompts.map(({ parts }) => parts.length)).toEqual([1]);
});

it('a server that is gone does not keep the limit from holding', async () => {
  await using bridge = await throughProxy();
  const task = await bridge.start([bash('sleep 30'), { text: 'x' }], { timeoutMs: 2_000 });
  await bridge.until(task, ({ kind }) => kind === 'attached');
  const light = blackout();
  const ended = await bridge.end(task);
  light();
  expect(ended.status).toBe('timeout');
  expect((ended.endedAt ?? 0) - (ended.startedAt ?? 0), 'not as long as the command').toBeLessThan(20_000);
  expect(bridge.events(task)).toContainEqual(expect.objectContaining({ code: 'STOP_UNCONFIRMED' }));
  await owner.client.session.abort({ sessionID: ended.sessionId ?? '', directory: task.directory });
});

it('an external server that is restarted on its port mid-turn', async () => {
  await using bridge = await join2();
  const task = await bridge.start([slowly('bla ', 30_000)]);
  await bridge.untilAsked(task);
  process.kill(owner.engine?.pid ?? 0, 'SIGKILL');
  expect(await bridge.end(task)).toMatchObject({
    status: 'completed',
    result: { summary: expect.stringContaining('was restarted in the middle of your work') },
  });
  expect(await bridge.run([{ text: 'works' }])).toMatchObject({ status: 'completed' });
});

it('a wrong password is told at once', async () => {
  await using bridge = await join2({ password: 'wrong' });
  const task = await bridge.run([{ text: 'x' }]);
  expect(task).toMatchObject({
    status: 'failed',
    error: { code: 'ENGINE_UNAUTHORIZED', next: expect.stringContaining('OPENCODE_SERVER_PASSWORD') },
  });
  expect((task.endedAt ?? 0) - (task.startedAt ?? 0), 'not as long as a server is waited for').toBeLessThan(
    30_000,
  );
  expect(bridge.execution.health()).toMatchObject([{ status: 'down' }]);
  expect(JSON.stringify(bridge.execution.health())).toContain('401');
});

it('hears a session for several at once; one that goes deaf leaves the others hearing', async () => {
  const task = await owner.start([bash('sleep 1'), { text: 'heard' }]);
  await owner.until(task, ({ kind }) => kind === 'tool');
  const heard: string[] = [];
  const listener = { onEvent: ({ type }: { type: string }) => void heard.push(type), onGap: () => undefined };
  const stop = await owner.runner.subscribeToEvents(owner.now(task).sessionId ?? '', listener);
  await owner.until(task, (event) => event.kind === 'tool' && event.phase === 'finished');
  stop();
  expect(heard).toContain('message.part.updated');
  expect(await owner.end(task)).toMatchObject({ status: 'completed', result: { summary: 'heard' } });
});

it('never touches the sessions of others on the same server', async () => {
  const directory = join(owner.workspaceDir, 'shared');
  await mkdir(directory, { recursive: true });
  const session = await owner.client.session.create({ directory, title: 'Mine' });
  const sessionID = session.data?.id ?? '';
  const text = scriptText([bash('sleep 4; echo unharmed'), { text: 'My own words' }]);
  await owner.client.session.promptAsync({ sessionID, directory, parts: [{ type: 'text', text }] });
  const bridge = await join2({}, { roots: [directory], instanceLingerMs: 50 });
  expect((await bridge.run([{ text: 'done' }], { directory })).status).toBe('completed');
  const cancelled = await bridge.start([bash('sleep 20')], { directory });
  await bridge.until(cancelled, ({ kind }) => kind === 'tool');
  await bridge.execution.cancel(cancelled, 'agent', undefined);
  await bridge.start([bash('sleep 20')], { directory });
  await bridge.close();
  const read = async () => (await owner.client.session.messages({ sessionID })).data ?? [];
  await vi.waitUntil(
    async () => {
      const last = (await read()).at(-1)?.info;
      return last?.role === 'assistant' && last.finish === 'stop';
    },
    { timeout: 60_000, interval: 100 },
  );
  const parts = (await read()).flatMap((message) => message.parts);
  expect(JSON.stringify(parts)).toContain('unharmed\\n');
  expect(JSON.stringify(parts.at(-2))).toContain('My own words');
});

it('a prompt that is sent again, for OpenCode has not stored it yet, is there once', async () => {
  await using bridge = await throughProxy();
  let [prompts, readings] = [0, 0];
  const folders = () => readdirSync(bridge.workspaceDir);
  proxy.fault = (method, path) => {
    if (path.includes('/prompt_async')) {
      prompts += 1;
      if (prompts === 2) writeFileSync(join(bridge.workspaceDir, folders()[0] ?? '', 'again'), '');
      return prompts === 1 ? 'lose answer' : undefined;
    }
    if (method !== 'GET' || !/\/message\?/.test(path)) return undefined;
    readings += 1;
    return readings === 1 ? { status: 200, type: 'application/json', body: '[]' } : undefined;
  };
  // The turn is at work until then, or it would end before the prompt is sent again.
  const command = 'echo once >> times.txt; until [ -e again ]; do sleep 0.1; done; cat times.txt';
  const task = await bridge.run([bash(command), { text: 'said' }], { fresh: true });
  proxy.fault = () => undefined;
  expect(prompts).toBe(2);
  expect(task).toMatchObject({
    status: 'completed',
    result: { summary: 'said' },
    usage: { input_tokens: 200 },
  });
  const { data = [] } = await owner.client.session.messages({ sessionID: task.sessionId ?? '' });
  const asked = data.filter(({ info }) => info.role === 'user');
  expect(asked.map(({ parts }) => parts.map(({ type }) => type))).toEqual([['text']]);
});
