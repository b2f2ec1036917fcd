import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Step, scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { messageId } from '../../src/runners/opencode-server/message-id.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { newTaskId } from '../../src/tasks/ids.ts';
import type { Task } from '../../src/tasks/task.ts';
import { type Bridge, startBridge } from '../support/bridge.ts';
import { type FaultyProxy, startFaultyProxy } from '../support/proxy.ts';
import { bash, slowly, subagent } from '../support/steps.ts';

const START_MS = 4_000;
const STALL_MS = 5_000;
const LONG_MS = STALL_MS + 2_000;
let owner: Bridge;
let proxy: FaultyProxy;
let bridge: Bridge;
/** Warm, so that no silence is that of an instance which starts. */
let directory: string;

beforeAll(async () => {
  owner = await startBridge({
    config: { permission: { bash: { '*': 'allow', 'git *': 'ask' } } },
    turnLimits: { stallMs: STALL_MS },
  });
  directory = join(owner.workspaceDir, 'warm');
  await mkdir(directory, { recursive: true });
  await owner.run([bash('true'), { text: 'warm' }], { directory });
  proxy = await startFaultyProxy(owner.endpoint.url);
  bridge = await startBridge({
    on: { endpoint: { ...owner.endpoint, url: proxy.url }, model: owner.model },
    turnLimits: { startMs: START_MS },
  });
});
afterEach(() => {
  proxy.fault = () => undefined;
});
afterAll(async () => {
  await bridge.close();
  await proxy.close();
  await owner.close();
});

const warnings = (on: Bridge, task: Task) =>
  on.events(task).flatMap((event) => (event.kind === 'warning' ? [event.code] : []));
const isPrompt = (method: string, path: string) => method === 'POST' && path.includes('prompt_async');

describe('a prompt that does not start', () => {
  it('is sent when OpenCode can be reached, however long that takes', async () => {
    proxy.fault = (method, path) => (isPrompt(method, path) ? 'refuse' : undefined);
    const task = await bridge.start([{ text: 'said at last' }]);
    await bridge.until(task, ({ kind }) => kind === 'attached');
    await sleep(START_MS + 1_000);
    proxy.fault = () => undefined;
    expect(await bridge.end(task)).toMatchObject({
      status: 'completed',
      result: { summary: 'said at last' },
    });
    expect(warnings(bridge, task)).not.toContain('TURN_NEVER_STARTED');
    expect(bridge.asked(task)).toHaveLength(1);
  });

  it('is sent again where OpenCode took it and lost it', async () => {
    let lost = 0;
    proxy.fault = (method, path) => {
      if (!isPrompt(method, path) || lost > 0) return undefined;
      lost += 1;
      return { status: 204 };
    };
    const task = await bridge.run([{ text: 'said at last' }]);
    expect(lost).toBe(1);
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'said at last' } });
    expect(bridge.asked(task)).toHaveLength(1);
  });
});

describe('a prompt with which OpenCode never began, for it died', () => {
  it.each([
    ['is not waited for', [{ type: 'text' as const, text: 'Do it' }], 'TURN_NEVER_STARTED'],
    ['is sent again where its text was not stored yet', [], undefined],
  ])('%s', async (_name, parts, warned) => {
    await using other = await startBridge({
      on: { endpoint: owner.endpoint, model: owner.model },
      roots: [owner.workspaceDir],
      turnLimits: { startMs: START_MS },
    });
    const { data: session } = await owner.client.session.create({ directory });
    const [sessionID, messageID] = [session?.id ?? '', messageId('key', Date.now())];
    await owner.client.session.prompt({ sessionID, messageID, parts, noReply: true });
    const task = recorded(other, sessionID, messageID);
    await other.execution.recover();
    expect(await other.end(task)).toMatchObject({ status: 'completed', result: { summary: 'Done.' } });
    expect(JSON.stringify(other.asked(task).at(-1)?.messages)).toContain('Do it');
    expect(warnings(other, task).find((code) => code === 'TURN_NEVER_STARTED')).toBe(warned);
  });
});

it('a prompt with which OpenCode never began is given up although the line breaks again and again', async () => {
  const { data: session } = await owner.client.session.create({ directory });
  const [sessionID, messageID] = [session?.id ?? '', messageId('cut', Date.now())];
  const parts = [{ type: 'text' as const, text: 'Do it' }];
  await owner.client.session.prompt({ sessionID, messageID, parts, noReply: true });
  const task = recorded(bridge, sessionID, messageID);
  await bridge.execution.recover();
  const cutting = setInterval(() => proxy.cut(), START_MS / 2);
  await bridge.until(task, ({ kind }) => kind === 'message_sent');
  clearInterval(cutting);
  expect((await bridge.end(task)).status).toBe('completed');
});

/** A task that says "Do it", as an earlier process left it right after its prompt. */
function recorded(on: Bridge, session_id: string, prompt_id: string): Task {
  const id = newTaskId(Date.now());
  const created: TaskEventBody = {
    kind: 'created',
    agent_id: 'agent',
    description: 'Do it',
    runner: 'opencode-server',
    directory,
    owns_directory: false,
    observers: [],
    timeout_ms: 60_000,
  };
  on.log.create(id, created, 'print');
  on.log.append(id, { kind: 'started' }, { kind: 'attached', session_id, prompt_id });
  const task = on.log.get(id);
  if (!task) throw new Error('the task was not stored');
  return task;
}

describe.concurrent('a model that hangs', () => {
  const STALLS: [string, Step[]][] = [
    ['before it answers', [{ text: 'never', hang: 'headers' }]],
    ['in the middle of a word', [{ ...slowly('bla ', 500), hang: 'mid' }]],
    ['after a tool', [bash('true'), { text: 'never', hang: 'headers' }]],
    ['in a subagent', [subagent([{ text: 'never', hang: 'headers' }]), { text: 'never' }]],
  ];

  it.each(STALLS)('%s: the turn is ended and the agent sent on', async (_name, steps) => {
    const task = await owner.run(steps, { directory });
    expect(task, JSON.stringify(owner.events(task))).toMatchObject({
      status: 'completed',
      result: { summary: expect.stringMatching(/^Understood: You were interrupted/) },
    });
    expect(warnings(owner, task)).toEqual(['TURN_STALLED']);
    const { status } = await owner.runner.getSessionInfo(task.sessionId ?? '');
    expect(status.type).toBe('idle');
  });

  it('fails the task where RECOVERY_POLICY says so', async () => {
    await using unforgiving = await startBridge({
      on: { endpoint: owner.endpoint, model: owner.model },
      recovery: { policy: 'fail' },
      turnLimits: { stallMs: STALL_MS },
    });
    // In a folder of its own: as it ends it frees the folder in OpenCode, which aborts what runs there.
    const task = await unforgiving.run([{ text: 'never', hang: 'headers' }]);
    expect(task).toMatchObject({
      status: 'failed',
      error: { code: 'TURN_STALLED', message: expect.stringContaining('STALL_TIMEOUT_MS') },
    });
    const statuses = await unforgiving.runner.getSessionInfo(task.sessionId ?? '');
    expect(statuses.status.type).toBe('idle');
  });
});

describe('the folder of a turn that hung at its start', () => {
  const isDisposal = (path: string) => path.includes('/instance/dispose');
  let hasty: Bridge;
  let shared: string;
  beforeAll(async () => {
    hasty = await startBridge({
      on: { endpoint: { ...owner.endpoint, url: proxy.url }, model: owner.model },
      turnLimits: { stallMs: 1_500 },
    });
    shared = join(directory, 'shared');
    await mkdir(shared);
  });
  afterAll(() => hasty.close());
  const hang = () => hasty.start([{ text: 'never', hang: 'headers' }], { directory: shared });

  it('is freed, and a prompt for it waits meanwhile', async () => {
    const asked = Promise.withResolvers<void>();
    const freed = Promise.withResolvers<undefined>();
    proxy.fault = (_, path) => {
      if (!isDisposal(path)) return undefined;
      asked.resolve();
      return freed.promise;
    };
    const paused = await hasty.start([bash('sleep 20')], { directory: shared });
    await hasty.until(paused, ({ kind }) => kind === 'tool');
    await hasty.execution.pause(paused, 'agent', undefined);
    const hung = await hang();
    await asked.promise;
    const answer = scriptText([{ ...slowly('bla ', 1_000), text: 'said in peace' }]);
    await hasty.execution.message(paused, 'agent', answer, 'queue');
    await hasty.execution.resume(paused, 'agent', undefined);
    // Only a bridge that does not wait for the folder asks now.
    await Promise.race([hasty.untilAsked(paused, 2), sleep(1_000)]);
    freed.resolve(undefined);
    const ended = await hasty.end(paused);
    expect(ended, JSON.stringify(hasty.events(paused))).toMatchObject({
      status: 'completed',
      result: { summary: 'said in peace' },
    });
    expect(warnings(hasty, paused)).toEqual([]);
    expect((await hasty.end(hung)).status).toBe('completed');
    expect(warnings(hasty, hung)).toEqual(['TURN_STALLED']);
  });

  it('is not freed while a prompt is on its way there', async () => {
    const sent = Promise.withResolvers<undefined>();
    let [prompts, disposals] = [0, 0];
    proxy.fault = (method, path) => {
      if (isDisposal(path)) disposals += 1;
      return isPrompt(method, path) && ++prompts === 2 ? sent.promise : undefined;
    };
    const hung = await hang();
    await hasty.untilAsked(hung);
    const late = await hasty.start([slowly('bla ', 500)], { directory: shared });
    // Only a bridge that does not wait for the prompt goes on now.
    await Promise.race([hasty.until(hung, ({ kind }) => kind === 'warning'), sleep(3_000)]);
    expect([prompts, disposals]).toEqual([2, 0]);
    sent.resolve(undefined);
    const ended = [await hasty.end(late), await hasty.end(hung)];
    expect(ended.map(({ status }) => status)).toEqual(['completed', 'completed']);
    expect([warnings(hasty, late), warnings(hasty, hung)]).toEqual([[], ['TURN_STALLED']]);
  });
});

describe.concurrent('is no stall', () => {
  it.each<[string, Step[]]>([
    ['a long tool', [bash(`sleep ${LONG_MS / 1_000}`), { text: 'done' }]],
    ['a long answer', [slowly('bla ', LONG_MS)]],
    [
      'a long tool of a subagent',
      [subagent([bash(`sleep ${LONG_MS / 1_000}`), { text: 'x' }]), { text: 'done' }],
    ],
    [
      'a provider that asks to wait',
      [
        {
          fail: { status: 429, times: 1, headers: { 'retry-after': String(LONG_MS / 1_000) } },
          text: 'done',
        },
      ],
    ],
  ])('%s', async (_name, steps) => {
    const task = await owner.run(steps, { directory });
    expect(task.status).toBe('completed');
    expect(warnings(owner, task)).toEqual([]);
  });

  it('a request that waits for its answer', async () => {
    const task = await owner.start([bash('git status'), { text: 'done' }], { directory });
    const asked = await owner.until(task, ({ kind }) => kind === 'request_opened');
    await sleep(LONG_MS);
    if (asked.kind !== 'request_opened') throw new Error('no request');
    await owner.execution.answer(task, asked.request.id, { reply: 'once' }, 'agent');
    expect((await owner.end(task)).status).toBe('completed');
    expect(warnings(owner, task)).toEqual([]);
  });
});
