import { z } from 'zod';
import type { ListPosition } from '../../tasks/list-position.ts';
import type { TaskOwner } from '../../tasks/task.ts';
import type { ChangedTasks } from '../task-store.ts';
import type { Database } from './database.ts';
import { readTask, TASK_COLUMNS } from './task-row.ts';

/** What has changed in the list of tasks: those with new events, and those that are gone. */
export class SqliteTaskChanges {
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#sql = prepareAll(database);
  }

  after(agentId: TaskOwner, { event, removal }: ListPosition, limit: number): ChangedTasks {
    const lastEvent = lastRow.parse(this.#sql.lastOfNext.get(event, limit)).last ?? event;
    const { one, all } = this.#sql.changed;
    const rows = agentId === undefined ? all.all(event, lastEvent) : one.all(event, lastEvent, agentId);
    const removals = this.#sql.removals.all(removal, limit).map((row) => removalRow.parse(row));
    return {
      tasks: rows.map(readTask),
      removed: removals.filter((it) => agentId === undefined || it.agentId === agentId).map(({ id }) => id),
      position: { event: lastEvent, removal: removals.at(-1)?.n ?? removal },
    };
  }

  last(): ListPosition {
    return { event: read(this.#sql.lastEvent.get()), removal: read(this.#sql.lastRemoval.get()) };
  }
}

function prepareAll(database: Database) {
  const prepare = (sql: string) => database.prepare(sql);
  const changed = `SELECT ${TASK_COLUMNS} FROM tasks
    WHERE NOT removed AND id IN (SELECT task_id FROM events WHERE position > ? AND position <= ?)`;
  return {
    // Of all events that ever were: the newest ones may have been removed with their task.
    lastEvent: prepare("SELECT seq AS last FROM sqlite_sequence WHERE name = 'events'"),
    lastRemoval: prepare('SELECT max(n) AS last FROM removals'),
    lastOfNext: prepare(
      'SELECT max(position) AS last FROM (SELECT position FROM events WHERE position > ? ORDER BY position LIMIT ?)',
    ),
    changed: {
      one: prepare(`${changed} AND agent_id = ? ORDER BY id`),
      all: prepare(`${changed} ORDER BY id`),
    },
    removals: prepare('SELECT n, task_id, agent_id FROM removals WHERE n > ? ORDER BY n LIMIT ?'),
  };
}

const lastRow = z.object({ last: z.number().nullable() });

/** 0 where there is nothing yet. */
function read(row: unknown): number {
  return lastRow.optional().parse(row)?.last ?? 0;
}

const removalRow = z
  .object({ n: z.number(), task_id: z.string(), agent_id: z.string() })
  .transform(({ n, task_id: id, agent_id: agentId }) => ({ n, id, agentId }));
