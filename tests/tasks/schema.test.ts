import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../src/store/sqlite/database.ts';
import { MIGRATIONS } from '../../src/store/sqlite/schema.ts';
import { SqliteTaskRemovals } from '../../src/store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import { tempDir } from '../support/temp.ts';
import { created } from './created.ts';
import { makeOlderDatabase } from './older-database.ts';

let folder: Awaited<ReturnType<typeof tempDir>>;
beforeEach(async () => {
  folder = await tempDir('schema-');
});
afterEach(() => folder.remove());

function dirOf(name: string): string {
  const dir = join(folder.path, name);
  mkdirSync(dir);
  return dir;
}

/** What is in the database, without the order in which columns and objects were added. */
function shapeOf(database: Database): unknown[] {
  const objects = database
    .prepare("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
    .all();
  const columns = (table: unknown) =>
    database
      .prepare('SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)')
      .all(String(table));
  return objects
    .map(({ type, name }) => JSON.stringify([type, name, type === 'table' && columns(name)]))
    .sort();
}

it.each(MIGRATIONS.map((_, version) => version).slice(1))(
  'a database of schema version %i opens with all that is in it',
  (version) => {
    const fresh = openDatabase(dirOf('fresh'));
    const store = new SqliteTaskStore(fresh);
    store.append(
      'task_1',
      [created({ directory: '/w/1', idempotency_key: 'k' }), { kind: 'started' }],
      10,
      'print',
    );
    store.append('task_2', [created({ directory: '/w/2', owns_directory: false })], 20, 'print');
    for (const id of ['task_1', 'task_2']) store.append(id, [{ kind: 'cancelled', by: 'me' }], 30);
    store.append('task_3', [created({ directory: '/w/1' })], 40, 'print');
    const tasks = store.list({ agentId: 'agent-1', limit: 10 }).tasks;
    const old = dirOf('old');
    makeOlderDatabase(old, version, tasks);

    const database = openDatabase(old);
    const again = new SqliteTaskStore(database);
    expect(shapeOf(database)).toEqual(shapeOf(fresh));
    expect(again.list({ agentId: 'agent-1', limit: 10 }).tasks).toEqual(tasks);
    expect(again.list({ agentId: 'agent-1', limit: 10, statuses: ['cancelled'] }).tasks).toHaveLength(2);
    expect(again.unfinished().map(({ id }) => id)).toEqual(['task_3']);
    expect(again.countByStatus()).toEqual({ cancelled: 2, queued: 1 });
    expect(again.findByKey('agent-1', 'k', 10)?.task.id).toBe('task_1');
    const due = new SqliteTaskRemovals(database).due(100, 100, undefined, 10);
    expect(due).toEqual([
      { id: 'task_1', endedAt: 30, directory: '/w/1', ownsDirectory: true },
      { id: 'task_2', endedAt: 30, directory: '/w/2', ownsDirectory: false },
    ]);
    expect(due.map((task) => new SqliteTaskRemovals(database).folder(task))).toEqual(['keep', 'keep']);
    again.close();
    store.close();
  },
);
