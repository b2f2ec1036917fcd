/** An event from a chat room. */
export interface InboxMessage<E> {
  readonly roomId: string;
  readonly event: E;
}

/** A reply to an event, as it is sent into the room. */
export interface Reply {
  reaction?: { event_id: string; key: string } | undefined;
  notice?: Record<string, unknown> | undefined;
}

/** Marks that a process started to act on an event; `requestId`: the request that the event answers. */
export interface Begun {
  begun: true;
  requestId?: string | undefined;
}

/** An event that is not answered yet. */
export interface InboxEntry<E> extends InboxMessage<E> {
  readonly position: number;
  /** A process started to act on the event and ended before it stored a reply. */
  readonly begun?: Begun | undefined;
  /** The event was acted on, and the reply may not be sent yet. */
  readonly reply?: Reply | undefined;
}

/**
 * Events that people sent and that may be commands. A closed entry keeps only the event's id, so that the same event is
 * not acted on twice.
 *
 *   added → open
 *   open  → begun   an answer to a request is about to be passed on
 *   open, begun → settled   the reply is stored and can be sent again
 *   open, begun, settled → closed   no command, no reply, or the reply was sent
 *   closed → removed   by `prune`
 */
export interface InboxStore<E> {
  /** Stores events, all or none, on disk before it returns. Events that are or were stored stay as they are. */
  add(messages: readonly InboxMessage<E>[], now: number): void;
  /** The entries after a position that are not closed, in the order in which they were added. */
  open(after: number): InboxEntry<E>[];
  /** On disk before it returns. */
  begin(eventId: string, begun: Begun): void;
  settle(eventId: string, reply: Reply): void;
  /** Removes the content of the event and keeps its id. */
  close(eventId: string): void;
  /** Removes up to `limit` closed entries that are older than 30 days, the oldest first. Returns how many. */
  prune(now: number, limit: number): number;
}
