import { z } from 'zod';
import type { DeliveryProgress, DeliveryStore } from '../delivery-store.ts';
import { committing, type Database, transaction } from './database.ts';

const progressRow = z
  .object({
    task_id: z.string(),
    seq: z.number(),
    due_at: z.number().nullable(),
    first_failed_at: z.number().nullable(),
    attempts: z.number(),
  })
  .transform(
    ({
      task_id: taskId,
      seq,
      due_at: dueAt,
      first_failed_at: firstFailedAt,
      attempts,
    }): DeliveryProgress => ({
      taskId,
      seq,
      dueAt,
      firstFailedAt,
      attempts,
    }),
  );

/** DeliveryStore in SQLite. Waiting for the disk blocks all tasks, so only `saveState` does it, on request. */
export class SqliteDeliveryStore implements DeliveryStore {
  readonly #database: Database;
  readonly #sink: string;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: Database, sink: string) {
    this.#database = database;
    this.#sink = sink;
    this.#sql = prepareAll(database);
  }

  openCursor(): number {
    const row = this.#sql.cursor.get(`delivery:${this.#sink}`) ?? this.#sql.end.get();
    const position = z.number().parse(row?.position);
    this.add([], position);
    return position;
  }

  add(taskIds: readonly string[], position: number): string[] {
    let added: string[] = [];
    const work = (): void => {
      added = taskIds.filter((taskId) => this.#sql.add.run(this.#sink, taskId).changes > 0);
      this.#sql.moveCursor.run(`delivery:${this.#sink}`, position);
    };
    committing(this.#database, 'later', () => transaction(this.#database, work));
    return added;
  }

  *open(pageSize: number): Generator<DeliveryProgress[], void, void> {
    let page: DeliveryProgress[] = [];
    do {
      const after = page.at(-1)?.taskId ?? '';
      page = this.#sql.open.all(this.#sink, after, pageSize).map((row) => progressRow.parse(row));
      if (page.length > 0) yield page;
    } while (page.length === pageSize);
  }

  save({ taskId, seq, dueAt, firstFailedAt, attempts }: DeliveryProgress): void {
    this.#run(this.#sql.save, seq, dueAt, firstFailedAt, attempts, this.#sink, taskId);
  }

  settle(taskId: string, seq: number): void {
    this.#run(this.#sql.settle, seq, this.#sink, taskId);
  }

  countGivenUp(taskId: string): void {
    this.#run(this.#sql.countGivenUp, this.#sink, taskId);
  }

  givenUpCount(): number {
    return z.number().parse(this.#sql.givenUpCount.get(this.#sink)?.n);
  }

  state(taskId: string): unknown {
    const text = this.#sql.state.get(this.#sink, taskId)?.notes;
    return typeof text === 'string' ? JSON.parse(text) : null;
  }

  saveState(taskId: string, state: object, durably: boolean): void {
    const save = () => this.#sql.saveState.run(JSON.stringify(state), this.#sink, taskId);
    committing(this.#database, durably ? 'waits' : 'later', save);
  }

  #run(statement: Statement, ...values: (string | number | null)[]): void {
    committing(this.#database, 'later', () => statement.run(...values));
  }
}

type Statement = ReturnType<Database['prepare']>;

function prepareAll(database: Database) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    cursor: prepare('SELECT position FROM cursors WHERE sink = ?'),
    end: prepare('SELECT coalesce(max(position), 0) AS position FROM events'),
    moveCursor: prepare(
      `INSERT INTO cursors (sink, position) VALUES (?, ?)
       ON CONFLICT (sink) DO UPDATE SET position = excluded.position`,
    ),
    add: prepare('INSERT INTO deliveries (sink, task_id) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    open: prepare(
      `SELECT task_id, seq, due_at, first_failed_at, attempts FROM deliveries INDEXED BY deliveries_open
       WHERE sink = ? AND NOT settled AND task_id > ? ORDER BY task_id LIMIT ?`,
    ),
    save: prepare(
      `UPDATE deliveries SET seq = ?, due_at = ?, first_failed_at = ?, attempts = ?
       WHERE sink = ? AND task_id = ?`,
    ),
    settle: prepare(
      `UPDATE deliveries SET settled = 1, seq = ?, due_at = NULL, first_failed_at = NULL, attempts = 0
       WHERE sink = ? AND task_id = ?`,
    ),
    countGivenUp: prepare('UPDATE deliveries SET given_up = given_up + 1 WHERE sink = ? AND task_id = ?'),
    givenUpCount: prepare(
      `SELECT coalesce(sum(given_up), 0) AS n FROM deliveries INDEXED BY deliveries_given_up
       WHERE sink = ? AND given_up > 0`,
    ),
    state: prepare('SELECT notes FROM deliveries WHERE sink = ? AND task_id = ?'),
    saveState: prepare('UPDATE deliveries SET notes = ? WHERE sink = ? AND task_id = ?'),
  };
}
