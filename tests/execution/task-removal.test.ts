import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KEY_LIFETIME_MS } from '../../src/execution/admission.ts';
import { ExecutionManager } from '../../src/execution/execution-manager.ts';
import { createLogger } from '../../src/logger.ts';
import { EventLog } from '../../src/store/event-log.ts';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteDeliveryStore } from '../../src/store/sqlite/sqlite-delivery-store.ts';
import { SqliteTaskRemovals } from '../../src/store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { EventOf } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';
import { Retention } from '../../src/workspaces/retention.ts';
import { TaskFiles } from '../../src/workspaces/task-files.ts';
import { ScriptedRunner } from '../mcp/scripted-runner.ts';
import { tempDir } from '../support/temp.ts';
import { created } from '../tasks/created.ts';

const SRC = join(import.meta.dirname, '../../src');
const AGENT = 'agent-1';
const MAX_AGE = 60_000;
const logger = createLogger('silent');

let root: Awaited<ReturnType<typeof tempDir>>;
let workspaceDir: string;
let snapshotsDir: string;
let database: Database;
let store: SqliteTaskStore;
let removals: SqliteTaskRemovals;
let retention: Retention;
let execution: ExecutionManager;
let runner: ScriptedRunner;
let now: number;
/** What happens to the processes in a folder. */
let endProcesses: (directory: string) => Promise<void>;

beforeEach(async () => {
  root = await tempDir('removal-');
  workspaceDir = join(root.path, 'workspaces');
  snapshotsDir = join(root.path, 'data', 'snapshots');
  now = 1_000_000;
  endProcesses = async () => {};
  open();
});

afterEach(async () => {
  await retention.close();
  await execution.close(0);
  store.close();
  await root.remove();
});

function open(): void {
  database = openDatabase(join(root.path, 'data'));
  store = new SqliteTaskStore(database);
  removals = new SqliteTaskRemovals(database);
  const log = new EventLog(store, () => now);
  const env = { PATH: process.env.PATH };
  const files = new TaskFiles({ workspaceDir, snapshotsDir, roots: [], maxFileSize: 1_000, env, logger });
  retention = new Retention({
    removals,
    files,
    keepMs: 0,
    keyLifetimeMs: KEY_LIFETIME_MS,
    deliveryMaxAgeMs: MAX_AGE,
    endProcesses: (directory) => endProcesses(directory),
    logger,
    now: () => now,
  });
  runner = new ScriptedRunner();
  const limits = {
    maxConcurrent: 1,
    maxQueued: 10,
    defaultTimeoutMs: 60_000,
    maxTimeoutMs: 60_000,
    maxDescriptionLength: 1_000,
  };
  const requests = { policy: 'ask', outside: 'reject', timeoutMs: 60_000 } as const;
  const recovery = { policy: 'continue', max: 2 } as const;
  const rules = { limits, requests, recovery };
  execution = new ExecutionManager({ runner, log, files, ...rules, removal: retention, logger });
}

const folderOf = (id: string): string => join(workspaceDir, id);

/** A task with its folder and snapshot that has ended, or that has only started. */
function task(id: string, fields: Partial<EventOf<'created'>> = {}, hasEnded = true): Task {
  const directory = fields.directory ?? folderOf(id);
  store.append(id, [created({ ...fields, directory })], now, 'print');
  store.append(id, [{ kind: 'started' }], now);
  if (hasEnded) store.append(id, [{ kind: 'cancelled', by: 'me' }], now);
  mkdirSync(join(directory, 'sub'), { recursive: true });
  writeFileSync(join(directory, 'sub', 'file.txt'), 'x');
  mkdirSync(join(snapshotsDir, id), { recursive: true });
  const found = store.get(id);
  if (!found) throw new Error('it was stored');
  return found;
}

const stored = (id: string) => store.getEvenRemoved(id) !== undefined;

describe('a task that its owner removes', () => {
  it('is gone with all that was stored for it, its folder and its snapshot', async () => {
    const removed = task('task_1', { idempotency_key: 'k' });
    task('task_2');
    await execution.remove(removed);
    await expect(execution.find(AGENT, 'task_1')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
    expect((await execution.list({ agentId: AGENT, limit: 9 })).tasks.map(({ id }) => id)).toEqual([
      'task_2',
    ]);
    expect(store.findByKey(AGENT, 'k', 0)).toBeUndefined();
    expect(new Set(store.eventsAfter(0, 99).map(({ event }) => event.taskId))).toEqual(new Set(['task_2']));
    expect(stored('task_1')).toBe(false);
    expect(readdirSync(workspaceDir)).toEqual(['task_2']);
    expect(readdirSync(snapshotsDir)).toEqual(['task_2']);
    await execution.remove(removed); // once more
  });

  it.each(['started', 'queued'])('must have ended: one that is %s is refused and stays', async () => {
    const open = task('task_1', {}, false);
    await expect(execution.remove(open)).rejects.toMatchObject({
      code: 'INVALID_STATE',
      reason: { kind: 'task_not_ended', taskId: 'task_1' },
    });
    expect(store.get('task_1')).toBeDefined();
    expect(existsSync(folderOf('task_1'))).toBe(true);
  });

  it('leaves the folder of its caller alone', async () => {
    const directory = join(workspaceDir, 'project');
    await execution.remove(task('task_1', { directory, owns_directory: false }));
    expect(readdirSync(directory)).toEqual(['sub']);
    expect(stored('task_1')).toBe(false);
  });

  it('leaves its folder to the task that continues it', async () => {
    const first = task('task_1');
    const second = task('task_2', { directory: folderOf('task_1'), continues: 'task_1' });
    await execution.remove(first);
    expect([stored('task_1'), existsSync(folderOf('task_1'))]).toEqual([false, true]);
    await execution.remove(second);
    expect(readdirSync(workspaceDir)).toEqual([]);
  });

  it('leaves its folder to a task that was pointed at it, until that one is removed too', async () => {
    const first = task('task_1');
    const guest = task('task_2', { directory: join(folderOf('task_1'), 'sub'), owns_directory: false });
    await execution.remove(first);
    expect(store.get('task_1')).toBeUndefined();
    expect(existsSync(join(folderOf('task_1'), 'sub', 'file.txt'))).toBe(true);
    await retention.sweep();
    expect(existsSync(folderOf('task_1'))).toBe(true);
    await execution.remove(guest);
    await retention.sweep();
    expect(readdirSync(workspaceDir)).toEqual([]);
    expect(stored('task_1')).toBe(false);
  });

  it('can be removed twice at once, also beside a sweep', async () => {
    const removed = task('task_1');
    const ends: string[] = [];
    endProcesses = async (directory) => {
      ends.push(directory);
      await turn();
    };
    await Promise.all([execution.remove(removed), execution.remove(removed), retention.sweep()]);
    expect(ends).toEqual([folderOf('task_1')]);
    expect(stored('task_1')).toBe(false);
  });

  it('is hidden although its folder cannot be cleared, and a sweep clears that', async () => {
    endProcesses = () => Promise.reject(new Error('one is left'));
    await execution.remove(task('task_1'));
    expect(store.get('task_1')).toBeUndefined();
    expect(existsSync(folderOf('task_1'))).toBe(true);
    endProcesses = async () => {};
    await retention.sweep();
    expect([stored('task_1'), existsSync(folderOf('task_1'))]).toEqual([false, false]);
  });
});

describe('a new task at the same moment', () => {
  it.each(['', '/sub'])('is refused in a folder that goes: %j', async (below) => {
    const gate = Promise.withResolvers<void>();
    endProcesses = () => gate.promise;
    const removing = execution.remove(task('task_1'));
    const directory = `${folderOf('task_1')}${below}`;
    const late = execution.execute(AGENT, { description: 'x', directory });
    await expect(late).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('was removed'),
    });
    gate.resolve();
    await removing;
    expect(existsSync(folderOf('task_1'))).toBe(false);
  });

  it('keeps the folder that it came to first, whichever call began first', async () => {
    const removed = task('task_1');
    const directory = folderOf('task_1');
    const accepted = execution.execute(AGENT, { description: 'x', directory });
    // The folder is looked up meanwhile; who gets to the store first decides.
    while (store.unfinished().length === 0) await turn();
    await execution.remove(removed);
    expect((await accepted).task.directory).toBe(directory);
    expect(existsSync(join(directory, 'sub', 'file.txt'))).toBe(true);
    expect(store.get('task_1')).toBeUndefined();
  });

  it('cannot continue a task that is removed', async () => {
    const removing = execution.remove(task('task_1', { session_id: 'ses_1', runner: runner.name }));
    await expect(
      execution.execute(AGENT, { description: 'x', continueTaskId: 'task_1' }),
    ).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
    await removing;
  });

  it('may use the same key', async () => {
    const removed = task('task_1', { idempotency_key: 'k' });
    await execution.remove(removed);
    const { task: next, repeated } = await execution.execute(AGENT, {
      description: 'y',
      idempotencyKey: 'k',
    });
    expect(repeated).toBe(false);
    expect(next.id).not.toBe('task_1');
  });
});

describe('a sink that has not got the end of a task', () => {
  let sink: SqliteDeliveryStore;

  beforeEach(() => {
    sink = new SqliteDeliveryStore(database, 'letta');
    sink.openCursor();
  });

  const lastPosition = () => store.eventsAfter(0, 99).at(-1)?.position ?? 0;

  it.each(['has an open delivery', 'has not read of the task at all'])(
    'still gets it where it %s: the record goes after that',
    async (which) => {
      const removed = task('task_1');
      if (which === 'has an open delivery') sink.add(['task_1'], lastPosition());
      await execution.remove(removed);
      expect(store.get('task_1')).toBeUndefined();
      expect(existsSync(folderOf('task_1'))).toBe(false);
      expect(store.getEvenRemoved('task_1')).toMatchObject({ status: 'cancelled' });
      expect(store.events('task_1', 0, 9).at(-1)?.kind).toBe('cancelled');
      sink.add(['task_1'], lastPosition());
      await retention.sweep();
      expect(stored('task_1')).toBe(true);
      sink.settle('task_1', 3);
      await retention.sweep();
      expect(stored('task_1')).toBe(false);
      expect(sink.givenUpCount()).toBe(0);
    },
  );

  it('is waited for only as long as it is tried', async () => {
    const removed = task('task_1');
    sink.add(['task_1'], lastPosition());
    await execution.remove(removed);
    now += 2 * MAX_AGE - 1;
    await retention.sweep();
    expect(stored('task_1')).toBe(true);
    now += 1;
    await retention.sweep();
    expect(stored('task_1')).toBe(false);
  });
});

it('a removal that is killed in the middle is complete after the next sweep, and hidden before', async () => {
  for (const id of ['task_1', 'task_2']) task(id, { idempotency_key: id });
  store.close();
  const program = `
    import { openDatabase } from '${SRC}/store/sqlite/database.ts';
    import { SqliteTaskRemovals } from '${SRC}/store/sqlite/sqlite-task-removals.ts';
    import { Retention } from '${SRC}/workspaces/retention.ts';
    const removals = new SqliteTaskRemovals(openDatabase(${JSON.stringify(join(root.path, 'data'))}));
    const files = { remove: () => process.kill(process.pid, 'SIGKILL') };
    await new Retention({ removals, files, keepMs: 0, keyLifetimeMs: 1, deliveryMaxAgeMs: 1, logger: {} }).remove('task_1');`;
  const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  expect([signal, stderr]).toEqual(['SIGKILL', '']);
  await retention.close();
  await execution.close(0);
  open();
  expect(store.get('task_1')).toBeUndefined();
  expect(store.findByKey(AGENT, 'task_1', 0)).toBeUndefined();
  expect((await execution.list({ agentId: AGENT, limit: 9 })).tasks.map(({ id }) => id)).toEqual(['task_2']);
  await retention.sweep();
  expect(stored('task_1')).toBe(false);
  expect(readdirSync(workspaceDir)).toEqual(['task_2']);
});
