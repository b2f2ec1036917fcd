import type { StatementSync } from 'node:sqlite';
import { z } from 'zod';
import type { EndedTask, TaskRemovals } from '../task-removals.ts';
import { committing, type Database, transaction } from './database.ts';

const endedTask = z
  .object({ id: z.string(), ended_at: z.number(), directory: z.string(), owns: z.number() })
  .transform(
    ({ id, ended_at: endedAt, directory, owns }): EndedTask => ({
      id,
      endedAt,
      directory,
      ownsDirectory: owns === 1,
    }),
  );

const claims = z.object({ blocked: z.number(), inherited: z.number() });

const FIRST: Pick<EndedTask, 'endedAt' | 'id'> = { endedAt: 0, id: '' };
const EVER = Number.MAX_SAFE_INTEGER;

/** TaskRemovals in SQLite. The row of the task goes last, so a removal that a crash interrupted is found again. */
export class SqliteTaskRemovals implements TaskRemovals {
  readonly #database: Database;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#sql = prepareAll(database);
  }

  due(endedBefore: number, keysBefore: number, after: EndedTask | undefined, limit: number): EndedTask[] {
    return this.#ended(0, endedBefore, keysBefore, after, limit);
  }

  begun(after: EndedTask | undefined, limit: number): EndedTask[] {
    return this.#ended(1, EVER, EVER, after, limit);
  }

  folder({ id, directory, ownsDirectory }: EndedTask): 'remove' | 'keep' | 'wait' {
    if (!ownsDirectory) return 'keep';
    const { blocked, inherited } = claims.parse(this.#sql.claims.get({ id, directory }));
    if (blocked === 1) return 'wait';
    return inherited === 1 ? 'keep' : 'remove';
  }

  hide(taskId: string): EndedTask | undefined {
    // An answered removal must survive a power loss: its folder goes next.
    const row = committing(this.#database, 'waits', () => this.#sql.hide.get(taskId));
    return row && endedTask.parse(row);
  }

  hasOpenDeliveries(taskId: string): boolean {
    return (
      this.#sql.openDelivery.get(taskId) !== undefined || this.#sql.unreadEvent.get(taskId) !== undefined
    );
  }

  remove(taskId: string, limit: number): boolean {
    let gone = false;
    transaction(this.#database, () => {
      gone = Number(this.#sql.removeEvents.run(taskId, limit).changes) < limit;
      if (!gone) return;
      this.#sql.removeBlock.run(taskId);
      this.#sql.removeDeliveries.run(taskId);
      this.#sql.removeTask.run(taskId);
    });
    return gone;
  }

  #ended(removed: 0 | 1, before: number, keysBefore: number, after = FIRST, limit: number): EndedTask[] {
    const rows = this.#sql.ended.all(removed, before, after.endedAt, after.id, keysBefore, limit);
    return rows.map((row) => endedTask.parse(row));
  }
}

function prepareAll(database: Database) {
  const prepare = (sql: string): StatementSync => database.prepare(sql);
  const sharing = 'SELECT 1 FROM tasks WHERE NOT removed AND directory = :directory AND id <> :id';
  return {
    ended: prepare(
      `SELECT id, ended_at, directory, owns_directory AS owns FROM tasks
       WHERE removed = ? AND ended_at < ? AND (ended_at, id) > (?, ?)
         AND (idempotency_key IS NULL OR created_at < ?)
       ORDER BY ended_at, id LIMIT ?`,
    ),
    claims: prepare(
      `SELECT
         EXISTS (${sharing} AND owns_directory = 1) AS inherited,
         EXISTS (${sharing} AND owns_directory = 0)
         OR EXISTS (SELECT 1 FROM tasks WHERE NOT removed
                    AND directory > :directory || '/' AND directory < :directory || '0')
         OR EXISTS (SELECT 1 FROM tasks
                    WHERE status NOT IN ('completed', 'failed', 'timeout', 'cancelled')
                      AND instr(:directory, rtrim(directory, '/') || '/') = 1) AS blocked`,
    ),
    hide: prepare(
      `UPDATE tasks SET removed = 1 WHERE id = ? AND ended_at IS NOT NULL
       RETURNING id, ended_at, directory, owns_directory AS owns`,
    ),
    openDelivery: prepare('SELECT 1 FROM deliveries WHERE task_id = ? AND NOT settled LIMIT 1'),
    // A sink that has not read the last event of the task has perhaps not opened its delivery.
    unreadEvent: prepare(
      `SELECT 1 FROM cursors WHERE sink >= 'delivery:' AND sink < 'delivery;'
       AND position < (SELECT position FROM events WHERE task_id = ? ORDER BY seq DESC LIMIT 1) LIMIT 1`,
    ),
    removeEvents: prepare(
      `DELETE FROM events WHERE position IN
         (SELECT position FROM events WHERE task_id = ? ORDER BY seq DESC LIMIT ?)`,
    ),
    removeBlock: prepare('DELETE FROM workspace_blocks WHERE task_id = ?'),
    removeDeliveries: prepare('DELETE FROM deliveries WHERE task_id = ?'),
    removeTask: prepare('DELETE FROM tasks WHERE id = ?'),
  };
}
