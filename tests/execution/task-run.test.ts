import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BridgeError } from '../../src/errors.ts';
import { ExecutionManager } from '../../src/execution/execution-manager.ts';
import { createLogger } from '../../src/logger.ts';
import type { Prompt, Run, RunContext, Runner, TurnOutcome } from '../../src/runners/runner.ts';
import { EventLog } from '../../src/store/event-log.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import { type InputRequest, NO_USAGE } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';
import { TaskFiles } from '../../src/workspaces/task-files.ts';
import { tempDir } from '../support/temp.ts';

const REQUEST: InputRequest = { id: 'per_1', type: 'permission', title: 'Allow', session_id: 'ses' };
const DONE: TurnOutcome = { kind: 'completed', summary: 'done', finish: 'stop' };

/** A runner whose turns end when the test says so. */
class ManualRunner implements Runner {
  readonly name = 'opencode-server';
  exclusive = false;
  readonly prompts: string[] = [];
  opening = Promise.withResolvers<void>();
  context: RunContext | undefined;
  turn = Promise.withResolvers<TurnOutcome>();
  stop: () => Promise<void> = async () => undefined;
  closed = 0;

  async open(_task: Task, context: RunContext): Promise<Run> {
    this.context = context;
    await this.opening.promise;
    return {
      sessionId: 'ses',
      exclusive: this.exclusive,
      turn: (prompt: Prompt) => {
        this.prompts.push(prompt.recordedAs ? `${prompt.text} (${prompt.recordedAs})` : prompt.text);
        if (!prompt.recordedAs) prompt.record(`msg_${this.prompts.length}`);
        this.turn = Promise.withResolvers();
        return this.turn.promise;
      },
      stop: () => this.stop(),
      interrupt: async () => this.turn.resolve({ kind: 'interrupted', summary: '' }),
      answer: async () => undefined,
      close: () => {
        this.closed += 1;
      },
    };
  }

  health() {
    return [];
  }

  async close() {}
}

let root: Awaited<ReturnType<typeof tempDir>>;
let runner: ManualRunner;
let log: EventLog;
let execution: ExecutionManager;

function manager(now = Date.now): ExecutionManager {
  const logger = createLogger('silent');
  const files = new TaskFiles({
    workspaceDir: join(root.path, 'workspace'),
    roots: [],
    snapshotsDir: join(root.path, 'snapshots'),
    maxFileSize: 1_000,
    env: { PATH: process.env.PATH },
    logger,
  });
  const limits = {
    maxConcurrent: 1,
    maxQueued: 10,
    defaultTimeoutMs: 60_000,
    maxTimeoutMs: 60_000,
    maxDescriptionLength: 1_000,
  };
  const requests = { policy: 'ask', outside: 'reject', timeoutMs: 60_000 } as const;
  const recovery = { policy: 'continue', max: 2 } as const;
  const removal = { remove: () => Promise.reject(new Error('no task is removed here')) };
  return new ExecutionManager({ runner, log, files, limits, requests, recovery, removal, logger, now });
}

beforeEach(async () => {
  root = await tempDir('task-run-');
  runner = new ManualRunner();
  runner.opening.resolve();
  log = new EventLog(new SqliteTaskStore(openDatabase(join(root.path, 'data'))));
  execution = manager();
});
afterEach(async () => {
  vi.useRealTimers();
  await execution.close(0);
  log.store.close();
  await root.remove();
});

const fakeTimers = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
const kinds = (task: Task) => log.store.events(task.id, 0, 1_000).map(({ kind }) => kind);

async function start(description = 'Do it'): Promise<Task> {
  return (await execution.execute('agent', { description })).task;
}

async function prompted(times = 1): Promise<void> {
  while (runner.prompts.length < times) await new Promise(setImmediate);
}

async function ended(task: Task): Promise<Task | undefined> {
  for await (const _ of log.follow(task.id, 0));
  return log.get(task.id);
}

it('delivers a message that comes with the end of the turn', async () => {
  const task = await start();
  await prompted();
  runner.turn.resolve(DONE);
  await execution.message(task, 'agent', 'one more thing', 'queue');
  await prompted(2);
  runner.turn.resolve(DONE);
  expect((await ended(task))?.status).toBe('completed');
  expect(runner.prompts).toEqual(['Do it', 'one more thing']);
});

it('takes a message or control of one outside message once, also after its end', async () => {
  const task = await start();
  await prompted();
  const say = () => execution.message(task, 'human', 'be kind', 'queue', { type: 'chat', ref: '$say' });
  await Promise.all([say(), say()]);
  const control = async (what: 'pause' | 'resume', ref: string) =>
    (await execution[what](task, '@ann:example.org', 'lunch', ref)).status;
  expect(await control('resume', '$early')).toBe('running');
  expect(await control('pause', '$pause')).toBe('paused');
  expect(await control('resume', '$early')).toBe('paused');
  expect(await control('pause', '$late')).toBe('paused');
  expect(await control('resume', '$resume')).toBe('running');
  for (const ref of ['$pause', '$late']) expect(await control('pause', ref)).toBe('running');
  await prompted(2);
  expect(runner.prompts).toEqual(['Do it', 'be kind']);
  await execution.cancel(task, '@ann:example.org', 'enough', '$cancel');
  const { status } = await execution.cancel(task, '@ann:example.org', 'enough', '$cancel');
  expect([status, (await say()).status, await control('pause', '$pause')]).toEqual(
    Array.from({ length: 3 }, () => 'cancelled'),
  );
  const events = log.store.events(task.id, 0, 100).flatMap((event) => ('ref' in event ? [event] : []));
  const by = '@ann:example.org';
  expect(events).toMatchObject([
    { kind: 'message', from: 'human', text: 'be kind', type: 'chat', ref: '$say' },
    { kind: 'control', control: 'resume', by, reason: 'lunch', ref: '$early' },
    { kind: 'control', control: 'pause', by, reason: 'lunch', ref: '$pause' },
    { kind: 'control', control: 'pause', by, reason: 'lunch', ref: '$late' },
    { kind: 'control', control: 'resume', by, reason: 'lunch', ref: '$resume' },
    { kind: 'control', control: 'cancel', by, reason: 'enough', ref: '$cancel' },
  ]);
  expect(await execution.hasRef(task, '$say')).toBe(true);
  expect(await execution.hasRef(task, '$other')).toBe(false);
});

it('carries a control out again that a crash cut off, where its outside message comes again', async () => {
  const task = await start();
  await prompted();
  const by = '@ann:example.org';
  log.append(task.id, { kind: 'control', control: 'pause', by, ref: '$pause' });
  expect((await execution.pause(task, by, undefined, '$pause')).status).toBe('paused');
  log.append(task.id, { kind: 'control', control: 'resume', by, ref: '$resume' });
  expect((await execution.pause(task, by, undefined, '$pause')).status).toBe('paused');
  expect((await execution.resume(task, by, undefined, '$resume')).status).toBe('running');
  expect((await execution.pause(task, by, undefined, '$pause')).status).toBe('running');
});

it('keeps of a waiting task which outside message cancelled it', async () => {
  await start('first');
  const waiting = await start('waiting');
  await execution.cancel(waiting, '@ann:example.org', undefined, '$cancel');
  expect(await execution.hasRef(waiting, '$cancel')).toBe(true);
});

it('refuses a message once the end is decided, and says how to go on', async () => {
  const task = await start();
  await prompted();
  runner.turn.resolve(DONE);
  for (let n = 0; n < 20; n += 1) await Promise.resolve();
  await expect(execution.message(task, 'agent', 'too late', 'queue')).rejects.toMatchObject({
    code: 'INVALID_STATE',
    message: expect.stringContaining('has ended as completed'),
    reason: { kind: 'task_ended', taskId: task.id },
  });
  expect(kinds(task)).not.toContain('message');
});

it('stores nothing and leaves no timer for what the runner reports after the end', async () => {
  fakeTimers();
  const task = await start();
  await prompted();
  runner.turn.resolve(DONE);
  await ended(task);
  await execution.files.close(); // git has a time limit of its own
  expect(vi.getTimerCount()).toBe(0);
  const stored = kinds(task);
  runner.context?.emit({ kind: 'request_opened', request: REQUEST }, { kind: 'todo', items: [] });
  expect(vi.getTimerCount()).toBe(0);
  expect(kinds(task)).toEqual(stored);
});

it('leaves no timer of an open request behind', async () => {
  fakeTimers();
  const task = await start();
  await prompted();
  runner.context?.emit({ kind: 'request_opened', request: REQUEST });
  expect(log.get(task.id)?.status).toBe('input_required');
  await execution.cancel(task, 'agent', undefined);
  await execution.files.close();
  expect(vi.getTimerCount()).toBe(0);
  expect(kinds(task).slice(-2)).toEqual(['request_closed', 'cancelled']);
});

it('says where it is not sure that everything has stopped', async () => {
  const task = await start();
  await prompted();
  runner.stop = async () => {
    throw new BridgeError('ENGINE_ERROR', 'still at work');
  };
  expect((await execution.cancel(task, 'agent', undefined)).status).toBe('cancelled');
  expect(log.store.events(task.id, 0, 1_000)).toContainEqual(
    expect.objectContaining({ kind: 'warning', code: 'STOP_UNCONFIRMED', message: 'still at work' }),
  );
});

it('keeps the first reason to end', async () => {
  const task = await start();
  await prompted();
  const stopping = Promise.withResolvers<void>();
  runner.stop = () => stopping.promise;
  const first = execution.cancel(task, 'Alice', 'first');
  const second = execution.cancel(task, 'Bob', 'second');
  const closing = execution.close(0);
  stopping.resolve();
  await Promise.all([first, second, closing]);
  expect(log.get(task.id)).toMatchObject({ status: 'cancelled', error: { message: 'first' } });
  expect(kinds(task).filter((kind) => kind === 'control')).toHaveLength(1);
});

it('leaves an end that takes too long to the next process', async () => {
  const task = await start();
  await prompted();
  runner.stop = () => new Promise(() => undefined);
  execution.cancel(task, 'agent', 'enough').catch(() => undefined);
  await vi.waitUntil(() => kinds(task).includes('control'), 60_000);
  await execution.close(0);
  expect(kinds(task)).not.toContain('cancelled');
  runner.stop = async () => undefined;
  execution = manager();
  await execution.recover();
  expect(await ended(task)).toMatchObject({ status: 'cancelled', error: { message: 'enough' } });
});

it('ends a task that an earlier process left over its budget', async () => {
  const { task } = await execution.execute('agent', { description: 'Do it', maxCostUsd: 1 });
  await prompted();
  await execution.close(0);
  log.append(task.id, { kind: 'usage', usage: { ...NO_USAGE, cost_usd: 2 } });
  execution = manager();
  await execution.recover();
  expect(await ended(task)).toMatchObject({ status: 'failed', error: { code: 'BUDGET_EXCEEDED' } });
});

it('lets go of a run that opens after the task was cancelled', async () => {
  runner.opening = Promise.withResolvers();
  const task = await start();
  while (!runner.context) await new Promise(setImmediate);
  await execution.cancel(task, 'agent', undefined);
  runner.opening.resolve();
  while (runner.closed === 0) await new Promise(setImmediate);
  expect(runner.prompts).toEqual([]);
});

it('takes up what an earlier process left running, and runs what it left waiting', async () => {
  const running = await start('running');
  await prompted();
  const waiting = await start('waiting');
  await execution.close(0);
  expect(kinds(running)).toEqual(['created', 'started', 'attached']);
  execution = manager();
  await execution.recover();
  await prompted(2);
  runner.turn.resolve(DONE);
  await prompted(3);
  runner.turn.resolve(DONE);
  for (const task of [running, waiting]) for await (const _ of log.follow(task.id, 0));
  expect(runner.prompts).toEqual(['running', 'running (msg_1)', 'waiting']);
  expect(kinds(running)).toEqual(['created', 'started', 'attached', 'warning', 'completed']);
  expect(kinds(waiting)).toEqual(['created', 'started', 'attached', 'completed']);
});

it('counts the time between two processes against the limit', async () => {
  const task = await start();
  await prompted();
  await execution.close(0);
  fakeTimers();
  execution = manager(() => Date.now() + 60_000);
  await execution.recover();
  await vi.advanceTimersByTimeAsync(1);
  vi.useRealTimers();
  for await (const _ of log.follow(task.id, 0));
  expect(log.get(task.id)).toMatchObject({ status: 'timeout' });
});

it('keeps a paused task paused, and a cancelled one cancelled, across a restart', async () => {
  const task = await start();
  await prompted();
  await execution.pause(task, 'agent', undefined);
  await execution.close(0);
  execution = manager();
  await execution.recover();
  await new Promise(setImmediate);
  expect(log.get(task.id)?.status).toBe('paused');
  expect(runner.prompts).toHaveLength(1);
  log.append(task.id, { kind: 'control', control: 'cancel', by: 'agent', reason: 'enough' });
  await execution.close(0);
  execution = manager();
  await execution.recover();
  for await (const _ of log.follow(task.id, 0));
  expect(log.get(task.id)).toMatchObject({ status: 'cancelled', error: { message: 'enough' } });
});

it('sends the agent on after OpenCode was lost, as often as it may', async () => {
  const lost: TurnOutcome = {
    kind: 'failed',
    summary: '',
    finish: 'interrupted',
    error: { code: 'ENGINE_LOST', message: 'OpenCode was lost.' },
  };
  const task = await start();
  for (const n of [1, 2, 3]) {
    await prompted(n);
    runner.turn.resolve(lost);
  }
  for await (const _ of log.follow(task.id, 0));
  expect(log.get(task.id)).toMatchObject({ status: 'failed', error: { code: 'ENGINE_LOST' } });
  expect(runner.prompts).toEqual([
    'Do it',
    expect.stringContaining('restarted'),
    expect.stringContaining('restarted'),
  ]);
});

it('keeps a task paused that is asked something meanwhile; it is answered, or asked for once resumed', async () => {
  const task = await start();
  await prompted();
  const turn = runner.turn;
  const emit = runner.context?.emit;
  await execution.pause(task, 'agent', undefined);
  emit?.(
    { kind: 'request_opened', request: REQUEST },
    { kind: 'request_opened', request: { ...REQUEST, id: 'per_2' } },
  );
  expect(log.get(task.id)).toMatchObject({ status: 'paused', requests: [{ id: 'per_1' }, { id: 'per_2' }] });
  expect((await execution.answer(task, 'per_1', { reply: 'once' }, 'agent')).status).toBe('paused');
  const other = await start('other');
  await prompted(2);
  expect(runner.prompts).toEqual(['Do it', 'other']);
  await execution.cancel(other, 'agent', undefined);
  expect((await execution.resume(task, 'agent', undefined)).status).toBe('input_required');
  expect((await execution.answer(task, 'per_2', { reply: 'once' }, 'agent')).status).toBe('running');
  turn.resolve(DONE);
  expect((await execution.pause(task, 'agent', undefined)).status).toBe('paused');
});

it('pauses again what an earlier version had let a request take out of its pause', async () => {
  const task = await start();
  await prompted();
  await execution.pause(task, 'agent', undefined);
  await execution.close(0);
  const { id: _id, ...paused } = log.get(task.id) ?? task;
  log.store.close();
  const database = openDatabase(join(root.path, 'data'));
  const state = JSON.stringify({ ...paused, status: 'running' });
  database.prepare('UPDATE tasks SET status = ?, state = ? WHERE id = ?').run('running', state, task.id);
  log = new EventLog(new SqliteTaskStore(database));
  execution = manager();
  execution.recover();
  expect(log.get(task.id)?.status).toBe('paused');
  expect((await execution.resume(task, 'agent', undefined)).status).toBe('running');
  await prompted(2);
});

describe('a request that somebody else answers', () => {
  const answered = (id: string, reply: string) =>
    runner.context?.emit({ kind: 'request_closed', request_id: id, by: 'opencode', reply });

  it.each([
    [true, 'once', 'failed'],
    [true, 'answered', 'failed'],
    [true, 'unknown', 'completed'],
    [false, 'once', 'completed'],
  ])('on a server of the bridge alone: %s, as %s: the task is %s', async (exclusive, reply, status) => {
    runner.exclusive = exclusive;
    const task = await start();
    await prompted();
    runner.context?.emit({ kind: 'request_opened', request: REQUEST });
    answered('per_1', reply);
    runner.turn.resolve(DONE);
    const code = 'REQUEST_ANSWERED_OUTSIDE';
    expect(await ended(task)).toMatchObject({ status, ...(status === 'failed' && { error: { code } }) });
    const warnings = log.store.events(task.id, 0, 100).filter((event) => event.kind === 'warning');
    expect(warnings).toMatchObject(reply === 'unknown' ? [] : [{ code }]);
  });

  it('ends the task after a restart too, where its end was decided but not stored', async () => {
    runner.exclusive = true;
    const task = await start();
    await prompted();
    runner.stop = () => new Promise(() => undefined);
    runner.context?.emit({ kind: 'request_opened', request: REQUEST });
    answered('per_1', 'once');
    await execution.close(0);
    expect(kinds(task)).not.toContain('failed');
    runner.stop = async () => undefined;
    execution = manager();
    execution.recover();
    expect(await ended(task)).toMatchObject({ error: { code: 'REQUEST_ANSWERED_OUTSIDE' } });
  });
});

it('closes after its grace: takes nothing new, stops what runs, keeps what waits', async () => {
  const quick = await start('quick');
  await prompted();
  const waiting = await start('waiting');
  const closing = execution.close(10_000);
  await expect(start('new')).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  runner.turn.resolve(DONE);
  await closing;
  expect(log.get(quick.id)?.status).toBe('completed');
  expect(log.get(waiting.id)?.status).toBe('queued');
});

it('closes at once where every task is paused', async () => {
  const task = await start();
  await prompted();
  await execution.pause(task, 'agent', undefined);
  await execution.close(600_000);
  expect(log.get(task.id)?.status).toBe('paused');
});

it('resumes with what was said meanwhile, and with nothing but a word where nothing was', async () => {
  const task = await start();
  await prompted();
  await execution.pause(task, 'agent', undefined);
  await execution.message(task, 'agent', 'hello', 'queue');
  await execution.resume(task, 'agent', undefined);
  await prompted(2);
  await execution.pause(task, 'agent', undefined);
  await execution.resume(task, 'agent', undefined);
  await prompted(3);
  runner.turn.resolve(DONE);
  expect((await ended(task))?.status).toBe('completed');
  expect(runner.prompts).toEqual(['Do it', 'hello', expect.stringContaining('You were interrupted')]);
});

it('holds a turn that ended while it was being paused', async () => {
  fakeTimers();
  const task = await start();
  await prompted();
  const paused = execution.pause(task, 'agent', undefined);
  runner.turn.resolve(DONE);
  expect((await paused).status).toBe('paused');
  await execution.resume(task, 'agent', undefined);
  expect((await ended(task))?.status).toBe('completed');
  await execution.files.close();
  expect(vi.getTimerCount()).toBe(0);
});

it('gives a paused place to another, and takes it back on resume', async () => {
  const first = await start('first');
  await prompted();
  const second = await start('second');
  expect(log.get(second.id)?.status).toBe('queued');
  const turn = runner.turn;
  await execution.pause(first, 'agent', undefined);
  await prompted(2);
  expect(runner.prompts).toEqual(['first', 'second']);
  expect((await execution.metrics()).byStatus).toMatchObject({ paused: 1, running: 1 });
  turn.resolve(DONE);
  runner.turn.resolve(DONE);
  expect((await ended(second))?.status).toBe('completed');
  await execution.resume(first, 'agent', undefined);
  await prompted(3);
  runner.turn.resolve(DONE);
  expect((await ended(first))?.status).toBe('completed');
});
