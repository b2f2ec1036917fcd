import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Step } from '../../src/cli/demo/scripted-model/script.ts';
import type { Endpoint } from '../../src/runners/opencode-server/endpoint.ts';
import type { InputRequest } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, type BridgeSetup, startBridge } from '../support/bridge.ts';
import { type FaultyProxy, startFaultyProxy } from '../support/proxy.ts';
import { ask, bash } from '../support/steps.ts';

const CODE = 'REQUEST_ANSWERED_OUTSIDE';

/** On an engine of its own. */
let bridge: Bridge;
/** Stands between that engine and the bridges of `through`. */
let proxy: FaultyProxy;
/** A bridge for which the same server is that of the operator. */
let guest: Bridge;

beforeAll(async () => {
  const config = { permission: { bash: { '*': 'allow', 'touch *': 'ask', 'git *': 'ask' } } };
  // In no sandbox, for the guest's tasks have none there.
  bridge = await startBridge({ config, shells: { sandbox: 'off' } });
  proxy = await startFaultyProxy(bridge.endpoint.url);
  const { url, username, password } = bridge.endpoint;
  guest = await startBridge({ on: { endpoint: { url, username, password }, model: bridge.model } });
});
afterEach(() => {
  proxy.fault = () => undefined;
  proxy.copies = () => 1;
});
afterAll(async () => {
  await guest.close();
  await proxy.close();
  await bridge.close();
});

/** A bridge that owns the engine too, but hears it through the proxy. */
const through = (setup: BridgeSetup = {}, endpoint: Partial<Endpoint> = {}) =>
  startBridge({
    ...setup,
    on: { endpoint: { ...bridge.endpoint, url: proxy.url, ...endpoint }, model: bridge.model },
  });

async function opened(on: Bridge, task: Task, after = 0): Promise<InputRequest & { seq: number }> {
  const event = await on.until(task, ({ kind }) => kind === 'request_opened', after);
  if (event.kind !== 'request_opened') throw new Error('unreachable');
  return { ...event.request, seq: event.seq };
}

const closings = (on: Bridge, task: Task) =>
  on.events(task).flatMap((event) => (event.kind === 'request_closed' ? [event] : []));
const warnings = (on: Bridge, task: Task) =>
  on.events(task).flatMap((event) => (event.kind === 'warning' ? [event.code] : []));
const calls = (...steps: Step[]): Step => ({ tools: steps.flatMap(({ tools = [] }) => tools) });
/** As somebody with the server's password does it. */
const reply = (task: Task, requestID: string, word: 'once' | 'always' | 'reject') =>
  bridge.client.permission.reply({ requestID, directory: task.directory, reply: word });

describe('on the server of the bridge alone', () => {
  it.each(['once', 'always', 'reject'] as const)(
    'a permission that somebody else answers with %s ends the task',
    async (word) => {
      // What is allowed always, is so for all sessions in the folder.
      const steps = [bash('touch x'), bash('sleep 62'), { text: 'never' }];
      const task = await bridge.start(steps, { fresh: word === 'always' });
      const { id } = await opened(bridge, task);
      await reply(task, id, word);
      expect(await bridge.end(task)).toMatchObject({
        status: 'failed',
        error: { code: CODE, message: expect.stringContaining(id) },
      });
      expect(closings(bridge, task)).toMatchObject([{ request_id: id, by: 'opencode', reply: word }]);
      expect(warnings(bridge, task)).toEqual([CODE]);
      expect(await bridge.busy(task)).toEqual([]);
      const late = bridge.execution.answer(task, id, { reply: 'reject' }, 'Bob');
      await expect(late).rejects.toMatchObject({
        code: 'REQUEST_CLOSED',
        message: expect.stringContaining(`by opencode: ${word}`),
      });
    },
  );

  it('so does a question', async () => {
    const task = await bridge.start([ask('Which?', 'A', 'B'), bash('sleep 62')]);
    const { id } = await opened(bridge, task);
    await bridge.client.question.reply({ requestID: id, directory: task.directory, answers: [['B']] });
    expect(await bridge.end(task)).toMatchObject({ status: 'failed', error: { code: CODE } });
  });

  it('a task that answers itself is ended, with whatever it has allowed itself', async () => {
    const { url, username, password } = bridge.endpoint;
    const directory = join(bridge.workspaceDir, 'hostile');
    await mkdir(directory, { recursive: true });
    // However it came by the address and the password.
    const program = `
      const headers = { authorization: 'Basic ' + btoa('${username}:${password}'), 'content-type': 'application/json' };
      const at = '?directory=' + encodeURIComponent('${directory}');
      for (let n = 0; n < 200; n += 1) {
        const [first] = await (await fetch('${url}/permission' + at, { headers })).json();
        if (first) {
          const body = JSON.stringify({ reply: 'once' });
          await fetch('${url}/permission/' + first.id + '/reply' + at, { method: 'POST', headers, body });
          process.exit();
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }`;
    await writeFile(join(directory, 'self.mjs'), program);
    const background = bash('node self.mjs > /dev/null 2>&1 &');
    const task = await bridge.start([background, bash('touch x; sleep 62'), { text: 'never' }], {
      directory,
    });
    expect(await bridge.end(task)).toMatchObject({ status: 'failed', error: { code: CODE } });
    expect(closings(bridge, task)).toMatchObject([{ by: 'opencode', reply: 'once' }]);
    expect(await bridge.busy(task)).toEqual([]);
  });

  it('a policy that would have allowed it lets the task go on, with a warning', async () => {
    await using lenient = await through({ requests: { policy: 'allow' } });
    // Its own answer arrives too late.
    let held = 0;
    proxy.fault = (_, path) => (path.includes('/reply') && held++ === 0 ? 'refuse' : undefined);
    const task = await lenient.start([bash('touch x'), { text: 'ok' }], { fresh: true });
    const { id } = await opened(lenient, task);
    await reply(task, id, 'always');
    expect(await lenient.end(task)).toMatchObject({ status: 'completed', result: { summary: 'ok' } });
    expect(warnings(lenient, task)).toContain(CODE);
  });

  it.each(['is at work', 'is done'])(
    'an answer in a gap of the stream shows by what follows: the call %s',
    async (how) => {
      await using deaf = await through();
      const command = how === 'is done' ? 'touch x' : 'touch x; sleep 62';
      const task = await deaf.start([bash(command), bash('sleep 62'), { text: 'never' }]);
      const { id } = await opened(deaf, task);
      proxy.fault = () => 'refuse';
      proxy.cut();
      await reply(task, id, 'once');
      const messages = () => bridge.client.session.messages({ sessionID: deaf.now(task).sessionId ?? '' });
      const isDone = async () => JSON.stringify((await messages()).data).includes('"status":"completed"');
      if (how === 'is done') await vi.waitUntil(isDone, 60_000);
      proxy.fault = () => undefined;
      expect(await deaf.end(task)).toMatchObject({ status: 'failed', error: { code: CODE } });
      expect(closings(deaf, task)).toMatchObject([{ request_id: id, by: 'opencode', reply: 'answered' }]);
    },
  );
});

describe("on the operator's own server", () => {
  it('it is a warning, and the task goes on', async () => {
    const task = await guest.start([bash('touch x'), ask('Which?', 'A', 'B'), { text: 'ok' }]);
    const { directory } = task;
    const permission = await opened(guest, task);
    await reply(task, permission.id, 'once');
    const question = await opened(guest, task, permission.seq);
    await bridge.client.question.reply({ requestID: question.id, directory, answers: [['B']] });
    expect((await guest.end(task)).status).toBe('completed');
    expect(closings(guest, task)).toMatchObject([
      { request_id: permission.id, by: 'opencode', reply: 'once' },
      { request_id: question.id, by: 'opencode', reply: 'B' },
    ]);
    expect(warnings(guest, task)).toEqual([CODE, CODE]);
    const late = guest.execution.answer(task, permission.id, { reply: 'reject' }, 'Bob');
    await expect(late).rejects.toMatchObject({
      code: 'REQUEST_CLOSED',
      message: expect.stringContaining('by opencode: once'),
    });
  });

  it('a rejection without a word ends the turn, and that is said', async () => {
    const task = await guest.start([bash('touch x'), { text: 'never' }]);
    const { id } = await opened(guest, task);
    await reply(task, id, 'reject');
    expect(await guest.end(task)).toMatchObject({ status: 'failed', error: { code: 'TURN_STOPPED' } });
    expect(warnings(guest, task)).toEqual([CODE]);
  });
});

describe('nobody else has answered', () => {
  it('where always allows what else was asked in the session', async () => {
    const directory = join(bridge.workspaceDir, 'always');
    await mkdir(directory, { recursive: true });
    const both = calls(bash('touch one'), bash('touch two'), bash('git status'));
    const task = await bridge.start([both, { text: 'ok' }], { directory });
    const first = await opened(bridge, task);
    const second = await opened(bridge, task, first.seq);
    const third = await opened(bridge, task, second.seq);
    await bridge.execution.answer(task, first.id, { reply: 'always' }, 'Alice');
    await bridge.until(task, (event) => event.kind === 'request_closed' && event.request_id === second.id);
    await bridge.execution.answer(task, third.id, { reply: 'once' }, 'Bob');
    expect(await bridge.end(task)).toMatchObject({ status: 'completed', result: { summary: 'ok' } });
    expect(closings(bridge, task)).toMatchObject([
      { request_id: first.id, by: 'Alice', reply: 'always' },
      { request_id: second.id, by: 'Alice', reply: 'always' },
      { request_id: third.id, by: 'Bob', reply: 'once' },
    ]);
    expect(warnings(bridge, task)).toEqual([]);
  });

  it('but where it does not allow it, somebody has', async () => {
    const directory = join(bridge.workspaceDir, 'not-always');
    await mkdir(directory, { recursive: true });
    const task = await bridge.start([calls(bash('touch one'), bash('git status'))], { directory });
    const first = await opened(bridge, task);
    const second = await opened(bridge, task, first.seq);
    await bridge.execution.answer(task, first.id, { reply: 'always' }, 'Alice');
    await reply(task, second.id, 'always');
    expect(await bridge.end(task)).toMatchObject({ status: 'failed', error: { code: CODE } });
  });

  it('where one rejection rejects all of the session', async () => {
    const task = await bridge.start([calls(bash('touch one'), bash('git status')), { text: 'then not' }]);
    const first = await opened(bridge, task);
    const second = await opened(bridge, task, first.seq);
    await bridge.execution.answer(task, first.id, { reply: 'reject' }, 'Alice');
    await bridge.end(task);
    expect(closings(bridge, task)).toMatchObject([
      { request_id: first.id, by: 'Alice', reply: 'reject' },
      { request_id: second.id, by: 'Alice', reply: 'reject' },
    ]);
    expect(warnings(bridge, task)).toEqual([]);
  });

  it('where nothing came back for an answer of the bridge', async () => {
    await using deaf = await through();
    const task = await deaf.start([bash('touch x'), { text: 'ok' }]);
    const { id } = await opened(deaf, task);
    proxy.fault = (_, path) => (path.includes('/reply') ? 'lose answer' : undefined);
    await deaf.execution.answer(task, id, { reply: 'once' }, 'Alice').catch(() => undefined);
    expect((await deaf.end(task)).status).toBe('completed');
    expect(closings(deaf, task)).toMatchObject([{ request_id: id, by: 'Alice', reply: 'once' }]);
    expect(warnings(deaf, task)).not.toContain(CODE);
  });

  it('where it is asked for its answer again in a gap', async () => {
    await using deaf = await through();
    const task = await deaf.start([bash('touch x'), { text: 'ok' }]);
    const { id } = await opened(deaf, task);
    proxy.copies = (frame) => (frame.includes('server.') ? 1 : 0);
    proxy.fault = (_, path) => (path.includes('/reply') ? 'lose answer' : undefined);
    const lost = deaf.execution.answer(task, id, { reply: 'once' }, 'Alice');
    await expect(lost).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    proxy.fault = () => undefined;
    proxy.cut();
    expect((await deaf.end(task)).status).toBe('completed');
    expect(closings(deaf, task)).toMatchObject([{ request_id: id, by: 'Alice', reply: 'once' }]);
    expect(warnings(deaf, task)).not.toContain(CODE);
  });

  it.each(['pause', 'interrupt', 'abort'] as const)('where what asked is stopped (%s)', async (how) => {
    const task = await bridge.start([bash('touch x'), { text: 'never' }]);
    await opened(bridge, task);
    if (how === 'pause') {
      await bridge.execution.pause(task, 'agent', undefined);
      await bridge.execution.resume(task, 'agent', undefined);
    } else if (how === 'interrupt') await bridge.execution.message(task, 'agent', 'stop it', 'interrupt');
    else await bridge.client.session.abort({ sessionID: bridge.now(task).sessionId ?? '' });
    const ended = await bridge.end(task);
    expect(ended.error?.code).toBe(how === 'abort' ? 'ABORTED_EXTERNALLY' : undefined);
    expect(warnings(bridge, task)).toEqual([]);
  });

  it('where the server forgets it: the instance of the folder is disposed of, or the server killed', async () => {
    const disposed = await bridge.start([bash('touch x'), { text: 'never' }]);
    await opened(bridge, disposed);
    await bridge.client.instance.dispose({ directory: disposed.directory });
    await bridge.end(disposed);
    expect(warnings(bridge, disposed)).not.toContain(CODE);

    const lost = await bridge.start([bash('touch x'), { text: 'never' }]);
    await opened(bridge, lost);
    process.kill(bridge.engine?.pid ?? 0, 'SIGKILL');
    expect(await bridge.end(lost)).toMatchObject({ status: 'completed' });
    expect(closings(bridge, lost)).toMatchObject([{ by: 'opencode', reply: 'unknown' }]);
    expect(warnings(bridge, lost)).not.toContain(CODE);
  });
});

it('a request that is heard of only once its task is paused is void, and not shown', async () => {
  await using late = await through();
  const task = await late.start([bash('touch x'), { text: 'never' }]);
  await late.until(task, ({ kind }) => kind === 'attached');
  proxy.delayMs = 4_000;
  const pending = async () => (await bridge.client.permission.list({ directory: task.directory })).data ?? [];
  await vi.waitUntil(async () => (await pending()).length > 0, 60_000);
  expect((await late.execution.pause(task, 'agent', undefined)).status).toBe('paused');
  expect(await pending()).toEqual([]);
  proxy.delayMs = 0;
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  expect(late.now(task)).toMatchObject({ status: 'paused', requests: [] });
  await late.execution.resume(task, 'agent', undefined);
  expect(await late.end(task)).toMatchObject({ status: 'completed' });
  expect(closings(late, task).filter(({ by }) => by === 'opencode')).toEqual([]);
});
