import { z } from 'zod';
import { committing, type Database, transaction } from './database.ts';

/** How far one sink is with one task. Times are epoch milliseconds. */
export interface Progress {
  readonly taskId: string;
  /** The sink has the events up to this one. */
  readonly seq: number;
  /** When the sink wants to be called again in any case. */
  readonly dueAt: number | null;
  /** When the failures without a success between them began, and how many they are. */
  readonly firstFailedAt: number | null;
  readonly attempts: number;
}

const progressRow = z
  .object({
    task_id: z.string(),
    seq: z.number(),
    due_at: z.number().nullable(),
    first_failed_at: z.number().nullable(),
    attempts: z.number(),
  })
  .transform(
    ({ task_id: taskId, seq, due_at: dueAt, first_failed_at: firstFailedAt, attempts }): Progress => ({
      taskId,
      seq,
      dueAt,
      firstFailedAt,
      attempts,
    }),
  );

/**
 * The durable side of one sink's delivery. The disk is waited for only where it says so, for that holds up all tasks:
 * what a power loss takes of the rest is delivered again.
 */
export class DeliveryStore {
  readonly #database: Database;
  readonly #sink: string;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: Database, sink: string) {
    this.#database = database;
    this.#sink = sink;
    this.#sql = prepareAll(database);
  }

  /** The position in the log up to which new tasks were looked for; for a sink that is new, the end of the log. */
  start(): number {
    const row = this.#sql.cursor.get(`delivery:${this.#sink}`) ?? this.#sql.end.get();
    const position = z.number().parse(row?.position);
    this.begin([], position);
    return position;
  }

  /** Takes new tasks in and moves the position, all or nothing; answers which of them were not there yet. */
  begin(taskIds: readonly string[], position: number): string[] {
    let begun: string[] = [];
    const work = (): void => {
      begun = taskIds.filter((taskId) => this.#sql.begin.run(this.#sink, taskId).changes > 0);
      this.#sql.moveCursor.run(`delivery:${this.#sink}`, position);
    };
    committing(this.#database, 'later', () => transaction(this.#database, work));
    return begun;
  }

  /** Every task of which more may have to be told, by their ids, in pages that are read as they are asked for. */
  *open(pageSize: number): Generator<Progress[], void, void> {
    let page: Progress[] = [];
    do {
      const after = page.at(-1)?.taskId ?? '';
      page = this.#sql.open.all(this.#sink, after, pageSize).map((row) => progressRow.parse(row));
      if (page.length > 0) yield page;
    } while (page.length === pageSize);
  }

  save({ taskId, seq, dueAt, firstFailedAt, attempts }: Progress): void {
    this.#run(this.#sql.save, seq, dueAt, firstFailedAt, attempts, this.#sink, taskId);
  }

  /** Nothing more of the task is told. */
  settle(taskId: string, seq: number): void {
    this.#run(this.#sql.settle, seq, this.#sink, taskId);
  }

  /** Counts that something of the task was given up. */
  giveUp(taskId: string): void {
    this.#run(this.#sql.giveUp, this.#sink, taskId);
  }

  /** How often something of a task was given up, over all tasks that are kept. */
  givenUp(): number {
    return z.number().parse(this.#sql.givenUp.get(this.#sink)?.n);
  }

  /** What the sink saved for the task; null before it did. */
  notes(taskId: string): unknown {
    const text = this.#sql.notes.get(this.#sink, taskId)?.notes;
    return typeof text === 'string' ? JSON.parse(text) : null;
  }

  /** `durably`: the disk is waited for, since what is done next must not be done again. */
  saveState(taskId: string, notes: object, durably: boolean): void {
    const keep = () => this.#sql.keep.run(JSON.stringify(notes), this.#sink, taskId);
    committing(this.#database, durably ? 'waits' : 'later', keep);
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
    begin: prepare('INSERT INTO deliveries (sink, task_id) VALUES (?, ?) ON CONFLICT DO NOTHING'),
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
    giveUp: prepare('UPDATE deliveries SET given_up = given_up + 1 WHERE sink = ? AND task_id = ?'),
    givenUp: prepare(
      `SELECT coalesce(sum(given_up), 0) AS n FROM deliveries INDEXED BY deliveries_given_up
       WHERE sink = ? AND given_up > 0`,
    ),
    notes: prepare('SELECT notes FROM deliveries WHERE sink = ? AND task_id = ?'),
    keep: prepare('UPDATE deliveries SET notes = ? WHERE sink = ? AND task_id = ?'),
  };
}
