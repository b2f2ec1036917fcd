import { z } from 'zod';
import type { Begun, InboxEntry, InboxMessage, InboxStore, Reply } from '../inbox-store.ts';
import { committing, type Database, transaction } from './database.ts';

/** How long the id of an answered event is kept. */
const RETENTION_MS = 30 * 24 * 60 * 60 * 1_000;

const replySchema: z.ZodType<Reply> = z.object({
  reaction: z.object({ event_id: z.string(), key: z.string() }).optional(),
  notice: z.record(z.string(), z.unknown()).optional(),
});
const begunSchema: z.ZodType<Begun> = z.object({
  begun: z.literal(true),
  requestId: z.string().optional(),
});

const row = z.object({
  position: z.number(),
  room_id: z.string(),
  body: z.string(),
  outcome: z.string().nullable(),
});

/** InboxStore in SQLite, in the table `matrix_inbox`. */
export class SqliteInboxStore<E extends { event_id: string }> implements InboxStore<E> {
  readonly #database: Database;
  readonly #parse: (event: unknown) => E;
  readonly #sql: ReturnType<typeof prepareAll>;

  /** `parse` checks an event that is read back. */
  constructor(database: Database, parse: (event: unknown) => E) {
    this.#database = database;
    this.#parse = parse;
    this.#sql = prepareAll(database);
  }

  add(messages: readonly InboxMessage<E>[], now: number): void {
    if (messages.length === 0) return;
    const work = (): void => {
      for (const { roomId, event } of messages)
        this.#sql.add.run(event.event_id, roomId, JSON.stringify(event), now);
    };
    committing(this.#database, 'waits', () => transaction(this.#database, work));
  }

  open(after: number): InboxEntry<E>[] {
    return this.#sql.open.all(after).map((found) => this.#read(found));
  }

  begin(eventId: string, begun: Begun): void {
    const begin = () => this.#sql.setOutcome.run(JSON.stringify(begun), eventId);
    committing(this.#database, 'waits', begin);
  }

  settle(eventId: string, reply: Reply): void {
    this.#sql.setOutcome.run(JSON.stringify(reply), eventId);
  }

  close(eventId: string): void {
    this.#sql.close.run(eventId);
  }

  prune(now: number, limit: number): number {
    const prune = () => Number(this.#sql.prune.run(now - RETENTION_MS, limit).changes);
    return committing(this.#database, 'later', prune);
  }

  #read(found: unknown): InboxEntry<E> {
    const { position, room_id: roomId, body, outcome } = row.parse(found);
    const event = this.#parse(JSON.parse(body));
    const stored: unknown = outcome === null ? undefined : JSON.parse(outcome);
    const begun = begunSchema.safeParse(stored).data;
    const reply = stored === undefined || begun ? undefined : replySchema.parse(stored);
    return { position, roomId, event, begun, reply };
  }
}

function prepareAll(database: Database) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    add: prepare(
      'INSERT INTO matrix_inbox (event_id, room_id, body, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    open: prepare(
      `SELECT position, room_id, body, outcome FROM matrix_inbox
       WHERE NOT answered AND position > ? ORDER BY position`,
    ),
    setOutcome: prepare('UPDATE matrix_inbox SET outcome = ? WHERE event_id = ?'),
    close: prepare("UPDATE matrix_inbox SET answered = 1, body = '', outcome = NULL WHERE event_id = ?"),
    prune: prepare(
      `DELETE FROM matrix_inbox WHERE position IN
         (SELECT position FROM matrix_inbox WHERE answered AND at < ? ORDER BY at LIMIT ?)`,
    ),
  };
}
