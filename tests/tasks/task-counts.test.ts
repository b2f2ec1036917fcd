import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Database, openDatabase, transaction } from '../../src/store/sqlite/database.ts';
import { SqliteTaskRemovals } from '../../src/store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEventBody } from '../../src/tasks/events.ts';
import { isEnd } from '../../src/tasks/task.ts';
import { tempDir } from '../support/temp.ts';
import { created } from './created.ts';

const END: TaskEventBody = { kind: 'cancelled', by: 'me' };

let folder: Awaited<ReturnType<typeof tempDir>>;
let database: Database;
let store: SqliteTaskStore;
beforeEach(async () => {
  folder = await tempDir('counts-');
  database = openDatabase(folder.path);
  store = new SqliteTaskStore(database);
});
afterEach(async () => {
  store.close();
  await folder.remove();
});

/** Counted anew, which takes longer the more tasks there are. */
function counted(): unknown {
  const sql = 'SELECT status, count(*) AS n FROM tasks WHERE NOT removed GROUP BY status';
  return Object.fromEntries(
    database
      .prepare(sql)
      .all()
      .map(({ status, n }) => [status, n]),
  );
}

it('counts of tasks by status are kept, whatever happens to tasks and whenever the bridge restarts (property)', () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom<TaskEventBody['kind']>('started', 'paused', 'resumed', 'cancelled'),
    },
    fc.constantFrom('create', 'hide', 'remove', 'failing', 'reopen'),
  );
  let tasks = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.nat({ max: 4 })), { maxLength: 30 }), (steps) => {
      const ids: string[] = [];
      for (const [what, which] of steps) {
        const id = ids[which % Math.max(1, ids.length)];
        if (what === 'create' || id === undefined) {
          ids.push(`task_${tasks}`);
          store.append(`task_${tasks++}`, [created()], 1, 'p');
        } else if (what === 'reopen') {
          store.close();
          database = openDatabase(folder.path);
          store = new SqliteTaskStore(database);
        } else if (what === 'failing') {
          expect(() =>
            transaction(database, () => {
              database.exec("UPDATE tasks SET status = 'failed'; DELETE FROM events; DELETE FROM tasks");
              throw new Error('no');
            }),
          ).toThrow('no');
        } else if (what === 'hide' || what === 'remove') {
          const removals = new SqliteTaskRemovals(database);
          removals.hide(id);
          if (what === 'remove' && !store.get(id)) removals.remove(id, 100);
        } else {
          const task = store.get(id);
          const event: TaskEventBody = what === 'cancelled' ? END : { kind: what as 'started' };
          if (task && !isEnd(task.status)) store.append(id, [event], 1);
        }
        expect(store.countByStatus()).toEqual(counted());
      }
    }),
    { numRuns: 40 },
  );
});
