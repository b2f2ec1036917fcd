import { rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EventLog } from '../../src/store/event-log.ts';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteBlockStore } from '../../src/store/sqlite/sqlite-block-store.ts';
import { SqliteTaskRemovals } from '../../src/store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { EventOf, TaskEventBody } from '../../src/tasks/events.ts';
import { tempDir } from '../support/temp.ts';
import { created } from './created.ts';
import { makeOlderDatabase } from './older-database.ts';

const END: TaskEventBody = { kind: 'cancelled', by: 'me' };
const output = (n: number): TaskEventBody => ({
  kind: 'output',
  text: 'x'.repeat(200),
  message_id: 'm',
  part_id: `p${n}`,
});
const outputs = (count: number) => Array.from({ length: count }, (_, n) => output(n));

let folder: Awaited<ReturnType<typeof tempDir>>;
let database: Database;
let store: SqliteTaskStore;
let removals: SqliteTaskRemovals;

beforeEach(async () => {
  folder = await tempDir('removals-');
  open();
});

afterEach(async () => {
  store.close();
  await folder.remove();
});

function open(): void {
  database = openDatabase(folder.path);
  store = new SqliteTaskStore(database);
  removals = new SqliteTaskRemovals(database);
}

/** A task that was created at 1 and, unless `endedAt` is absent, has ended. */
function task(id: string, endedAt?: number, fields?: Partial<EventOf<'created'>>): void {
  store.append(id, [created({ directory: `/w/${id}`, ...fields })], 1, 'print');
  if (endedAt !== undefined) store.append(id, [END], endedAt);
}

const ids = (tasks: readonly { id: string }[]): string[] => tasks.map(({ id }) => id);
const due = (before: number, keysBefore = 0) => removals.due(before, keysBefore, undefined, 100);

describe('what is due', () => {
  it('are tasks that ended before a time, the oldest end first, by pages', () => {
    task('task_1', 300);
    task('task_2', 200);
    task('task_3', 400);
    task('task_4');
    task('task_5', 200);
    expect(ids(due(400))).toEqual(['task_2', 'task_5', 'task_1']);
    expect(ids(due(200))).toEqual([]);
    const [first] = removals.due(400, 0, undefined, 1);
    expect(ids(removals.due(400, 0, first, 1))).toEqual(['task_5']);
    expect(removals.due(400, 0, due(400).at(-1), 1)).toEqual([]);
  });

  it('is no task whose key may still be repeated', () => {
    task('task_1', 10, { idempotency_key: 'k' });
    task('task_2', 10);
    expect(ids(due(100, 1))).toEqual(['task_2']);
    expect(ids(due(100, 2))).toEqual(['task_1', 'task_2']);
  });

  it('are tasks of a database that is older than the question', () => {
    task('task_1', 10);
    task('task_2');
    const before = [...store.list({ agentId: 'agent-1', limit: 10 }).tasks];
    store.close();
    rmSync(join(folder.path, 'bridge.db'));
    makeOlderDatabase(folder.path, 1, before);
    open();
    expect(due(100)).toEqual([{ id: 'task_1', endedAt: 10, directory: '/w/task_1', ownsDirectory: true }]);
    expect(ids(store.list({ agentId: 'agent-1', limit: 10 }).tasks)).toEqual(['task_2', 'task_1']);
  });
});

describe('a hidden task', () => {
  it('is there for no caller, and for its own removal also after a restart', () => {
    task('task_1', 10, { idempotency_key: 'k' });
    task('task_2', 20);
    removals.hide('task_1');
    store.close();
    open();
    expect(store.get('task_1')).toBeUndefined();
    expect(ids(store.list({ agentId: 'agent-1', limit: 10 }).tasks)).toEqual(['task_2']);
    expect(store.findByKey('agent-1', 'k', 0)).toBeUndefined();
    expect(store.countByStatus()).toEqual({ cancelled: 1 });
    expect(ids(due(100, 100))).toEqual(['task_2']);
    expect(ids(removals.begun(undefined, 10))).toEqual(['task_1']);
  });

  it('is told to who follows the tasks of its agent, also after a restart; of the last 10,000', () => {
    task('task_1', 10);
    task('task_2', 10, { agent_id: 'agent-2' });
    const before = store.lastPosition();
    const removed = (agentId?: string, position = before) =>
      store.changedTasks(agentId, position, 100).removed;
    for (const id of ['task_1', 'task_1', 'task_2']) removals.hide(id);
    while (!removals.remove('task_1', 10));
    while (!removals.remove('task_2', 10));
    store.close();
    open();
    expect(removed()).toEqual(['task_1', 'task_2']);
    expect(removed('agent-1')).toEqual(['task_1']);
    expect(store.changedTasks('agent-2', before, 1)).toMatchObject({ removed: [], position: { removal: 1 } });
    expect(removed(undefined, store.lastPosition())).toEqual([]);
    expect(store.lastPosition()).toEqual({ event: before.event, removal: 2 });
    database.exec("INSERT INTO removals VALUES (10001, 'task_3', 'agent-1')");
    task('task_4', 10);
    removals.hide('task_4');
    expect(removed()).toEqual(['task_3', 'task_4']);
  });

  it('can be none that has not ended', () => {
    task('task_1');
    removals.hide('task_1');
    expect(store.list({ agentId: 'agent-1', limit: 10 }).tasks).toMatchObject([{ status: 'queued' }]);
    expect(removals.begun(undefined, 10)).toEqual([]);
  });

  it('goes in steps, the latest events first, the task and its block last', () => {
    store.append('task_1', [created(), ...outputs(10), END], 1, 'print');
    task('task_2', 10);
    const memory = new SqliteBlockStore(database);
    const block = { version: '1.0.0', task_id: 'task_1', agent_id: 'a', status: 'x' } as const;
    const rest = { created_at: '', updated_at: '', events: [], artifacts: [] };
    const metadata = { events_dropped: 0, open_requests: 0 };
    memory.save(new Map([['block_1', { ...block, ...rest, metadata }]]), 12);
    removals.hide('task_1');
    const left = () => store.events('task_1', 0, 100).map(({ seq }) => seq);
    expect(removals.remove('task_1', 5)).toBe(false);
    expect(left()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(removals.remove('task_1', 5)).toBe(false);
    expect(left()).toEqual([1, 2]);
    expect(memory.load('task_1')).toBeDefined();
    expect(removals.remove('task_1', 5)).toBe(true);
    expect(left()).toEqual([]);
    expect(memory.load('task_1')).toBeUndefined();
    expect(removals.begun(undefined, 10)).toEqual([]);
    expect(store.get('task_2')).toBeDefined();
    expect(removals.remove('task_1', 5)).toBe(true);
  });

  it('leaves gaps in the positions, which followers of the log skip', async () => {
    task('task_1', 10);
    task('task_2', 10);
    removals.hide('task_2');
    removals.remove('task_2', 10);
    const log = new EventLog(store);
    log.create('task_3', created(), 'print');
    expect(store.eventsAfter(0, 10).map(({ position }) => position)).toEqual([1, 2, 5]);
    const stop = new AbortController();
    for await (const page of log.tail(3, stop.signal)) {
      expect(page.map(({ event }) => event.taskId)).toEqual(['task_3']);
      stop.abort();
    }
  });

  it('ends for who is still reading it without a gap', async () => {
    store.append('task_1', [created(), ...outputs(600), END], 1, 'print');
    const seen: number[] = [];
    for await (const { seq } of new EventLog(store).follow('task_1', 0)) {
      seen.push(seq);
      if (seq !== 300) continue;
      removals.hide('task_1');
      removals.remove('task_1', 100);
    }
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, index) => index + 1));
    expect(seen.length).toBeLessThan(602);
  });
});

describe('the folder', () => {
  const theirs = { owns_directory: false };
  it.each<
    [folder: 'remove' | 'keep' | 'wait', where: string, other: Partial<EventOf<'created'>>, endedAt?: 20]
  >([
    ['remove', 'another task has its own', { directory: '/w/task_10' }],
    ['keep', 'a kept task goes on in it', { directory: '/w/task_1', continues: 'task_1' }, 20],
    ['keep', 'a queued task goes on in it', { directory: '/w/task_1', continues: 'task_1' }],
    ['wait', 'a kept task was pointed at it', { directory: '/w/task_1', ...theirs }, 20],
    ['wait', 'a queued task was pointed at a part of it', { directory: '/w/task_1/a/b', ...theirs }],
    ['wait', 'a queued task works in the folder around it', { directory: '/w', ...theirs }],
    ['wait', 'a queued task works in everything', { directory: '/', ...theirs }],
    ['remove', 'a task worked in the folder around it', { directory: '/w', ...theirs }, 20],
    ['remove', 'a task has a name that begins alike', { directory: '/w/task_1-more', ...theirs }],
  ])('%s: %s', (expected, _where, other, endedAt) => {
    task('task_1', 10);
    task('task_2', endedAt, other);
    const [first] = due(15);
    expect(first && removals.folder(first)).toBe(expected);
  });

  it('stays where it is the caller’s', () => {
    task('task_1', 10, theirs);
    const [first] = due(15);
    expect(first && removals.folder(first)).toBe('keep');
  });

  it('goes with the last of those who go on in it', () => {
    for (const id of ['task_1', 'task_2', 'task_3']) task(id, 10, { directory: '/w/task_1' });
    const fates = due(15).map((ended) => {
      const fate = removals.folder(ended);
      removals.hide(ended.id);
      return fate;
    });
    expect(fates).toEqual(['keep', 'keep', 'remove']);
  });
});

it('what was removed makes room for what comes: the file does not grow', async () => {
  const pages = () => Number(database.prepare('PRAGMA page_count').get()?.page_count);
  const fill = (id: string) => store.append(id, [created(), ...outputs(3_000), END], 1, 'print');
  fill('task_1');
  const full = pages();
  for (const n of [2, 3, 4]) {
    removals.hide(`task_${n - 1}`);
    while (!removals.remove(`task_${n - 1}`, 500));
    fill(`task_${n}`);
  }
  expect(pages()).toBeLessThan(full * 1.1);
  expect((await stat(join(folder.path, 'bridge.db-wal'))).size).toBeLessThan(20_000_000);
});
