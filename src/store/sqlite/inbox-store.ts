import { z } from 'zod';
import { type MatrixEvent, matrixEvent } from '../../matrix/events.ts';
import { committing, type Database, transaction } from './database.ts';

/** How long it is remembered which events were answered. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1_000;

/** An event of a room. */
export interface InboxMessage {
  roomId: string;
  event: MatrixEvent;
}

/** What came of an event, as it is told in the room. */
const replySchema = z.object({
  reaction: z.object({ event_id: z.string(), key: z.string() }).optional(),
  notice: z.record(z.string(), z.unknown()).optional(),
});
/** That an event is being acted on; an answer to a request also by which one it was about. */
const begunSchema = z.object({ begun: z.literal(true), requestId: z.string().optional() });

export type Reply = z.infer<typeof replySchema>;
export type Begun = z.infer<typeof begunSchema>;

/** An event that is not answered yet. */
export interface InboxEntry extends InboxMessage {
  position: number;
  /** A process acted on it and ended before it could store what came of that. */
  begun?: Begun | undefined;
  reply?: Reply | undefined;
}

const row = z.object({
  position: z.number(),
  room_id: z.string(),
  body: z.string(),
  outcome: z.string().nullable(),
});

/** What people said, until it is answered; then only that it was. */
export class InboxStore {
  readonly #database: Database;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#sql = prepareAll(database);
  }

  /** Takes events in, all or none, for good; those that it has or had are left as they are. */
  add(heard: readonly InboxMessage[], now: number): void {
    if (heard.length === 0) return;
    const work = (): void => {
      for (const { roomId, event } of heard)
        this.#sql.add.run(event.event_id, roomId, JSON.stringify(event), now);
    };
    committing(this.#database, 'waits', () => transaction(this.#database, work));
  }

  /** Those behind a position that are not answered, in the order in which they came. */
  open(after: number): InboxEntry[] {
    return this.#sql.open.all(after).map(readEntry);
  }

  begin(eventId: string, begun: Begun): void {
    const begin = () => this.#sql.setOutcome.run(JSON.stringify(begun), eventId);
    committing(this.#database, 'waits', begin);
  }

  settle(eventId: string, reply: Reply): void {
    this.#sql.setOutcome.run(JSON.stringify(reply), eventId);
  }

  /** Forgets the words, not the event. */
  close(eventId: string): void {
    this.#sql.close.run(eventId);
  }

  /** Removes up to `limit` events that were answered and came long ago, the oldest first; how many. */
  prune(now: number, limit: number): number {
    const prune = () => Number(this.#sql.prune.run(now - KEPT_MS, limit).changes);
    return committing(this.#database, 'later', prune);
  }
}

function readEntry(found: unknown): InboxEntry {
  const { position, room_id: roomId, body, outcome } = row.parse(found);
  const event = matrixEvent.parse(JSON.parse(body));
  const came: unknown = outcome === null ? undefined : JSON.parse(outcome);
  const begun = begunSchema.safeParse(came).data;
  const reply = came === undefined || begun ? undefined : replySchema.parse(came);
  return { position, roomId, event, begun, reply };
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
