import { z } from 'zod';
import type { BlockStore, StoredBlock } from '../block-store.ts';
import { committing, type Database, transaction } from './database.ts';

const SINK = 'workspace';

/** BlockStore in SQLite. What a power loss undoes is projected from the log again. */
export class SqliteBlockStore implements BlockStore {
  readonly #database: Database;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#sql = prepareAll(database);
  }

  cursor(): number {
    const row = this.#sql.cursor.get(SINK);
    return row ? z.number().parse(row.position) : 0;
  }

  load(taskId: string): unknown {
    const row = this.#sql.load.get(taskId);
    return row && JSON.parse(z.string().parse(row.value));
  }

  save(blocks: ReadonlyMap<string, StoredBlock>, position: number): void {
    const work = (): void => {
      for (const [id, block] of blocks) this.#sql.put.run(id, block.task_id, JSON.stringify(block));
      this.#sql.move.run(SINK, position);
    };
    committing(this.#database, 'later', () => transaction(this.#database, work));
  }
}

function prepareAll(database: Database) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    cursor: prepare('SELECT position FROM cursors WHERE sink = ?'),
    load: prepare('SELECT value FROM workspace_blocks WHERE task_id = ?'),
    put: prepare(
      `INSERT INTO workspace_blocks (id, task_id, value) VALUES (?, ?, ?)
       ON CONFLICT (task_id) DO UPDATE SET value = excluded.value`,
    ),
    move: prepare(
      `INSERT INTO cursors (sink, position) VALUES (?, ?)
       ON CONFLICT (sink) DO UPDATE SET position = excluded.position`,
    ),
  };
}
