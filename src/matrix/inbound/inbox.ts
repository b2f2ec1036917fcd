import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { KeyedQueue } from '../../keyed-queue.ts';
import type { Logger } from '../../logger.ts';
import type { Reply } from '../../store/inbox-store.ts';
import { MatrixFailure } from '../matrix-failure.ts';
import type { Outgoing } from '../rate-limited-sender.ts';
import { Backoff, isTransient } from './backoff.ts';
import type { InboxEntry, InboxMessage, InboxStore } from './inbox-entry.ts';
import { InboxPruning } from './inbox-pruning.ts';
import { type IncomingMessage, parseMessage } from './incoming-message.ts';
import type { Route, Routes } from './routes.ts';

/** How long commands that run may continue after the bridge begins to stop. */
const CLOSE_LIMIT_MS = 5_000;

/** A message with the task that it is about. */
export interface RoutedMessage extends InboxEntry {
  message: IncomingMessage;
  route: Route;
}

export interface InboxOptions {
  store: InboxStore;
  routes: Pick<Routes, 'find'>;
  /** Executes a message and returns the reply; undefined: no reply. Rejects where it cannot decide yet. */
  execute: (message: RoutedMessage, signal: AbortSignal) => Promise<Reply | undefined>;
  send: (message: Outgoing, signal: AbortSignal) => Promise<unknown>;
  logger: Logger;
  clock: Clock;
}

/**
 * Processes messages: in order for each task, tasks in parallel. The states of an entry, which the store keeps:
 *
 *     open → [begun] → settled → closed
 *       └───────┴───────────────→ closed
 *
 * - open: stored before the sync position moves. Then it waits for its route, and for earlier messages of its task.
 * - begun: an answer to a request is on its way to the task. After a crash it must not be given blindly again.
 * - settled: executed, and the reply is stored. A failed reply is sent again; the command is not executed again.
 * - closed: the reply was sent. Or there is none: not for the bridge, no command, or it failed for good.
 *
 * After a restart, `start` continues each entry from its stored state.
 */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #closing = new AbortController();
  /** By thread, replied-to message or room: looks up the task. */
  readonly #routing = new KeyedQueue();
  /** By task: executes commands. */
  readonly #executing = new KeyedQueue();
  readonly #pruning: InboxPruning;
  readonly #replying = new Set<Promise<void>>();
  /** The errors of steps that wait for a retry. */
  readonly #failing = new Map<symbol, string>();
  #lastPosition = 0;
  #closed = false;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#pruning = new InboxPruning(options);
  }

  /** Continues what an earlier process left open. */
  start(): void {
    this.#pruning.start();
    this.#dispatch();
  }

  /** Stores messages before it returns, then processes them. */
  receive(messages: readonly InboxMessage[]): void {
    const { store, clock } = this.#options;
    store.add(messages, clock.now());
    this.#dispatch();
  }

  /** Waits for the commands that run, up to a limit. The next process executes those that have not begun. */
  async close(): Promise<void> {
    this.#pruning.close();
    this.#closing.abort();
    const { promise: limit, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(CLOSE_LIMIT_MS, resolve);
    await Promise.race([this.#idle(), limit]);
    cancel();
    this.#closed = true;
  }

  /** Why commands or replies are delayed; undefined where none is. */
  get problem(): string | undefined {
    const [error] = this.#failing.values();
    return error === undefined ? undefined : `${this.#failing.size} command(s) wait: ${error}`;
  }

  async #idle(): Promise<void> {
    await this.#routing.idle();
    await this.#executing.idle();
    await Promise.all(this.#replying);
  }

  /** Queues new entries. A lookup that fails delays only messages with the same thread or target. */
  #dispatch(): void {
    try {
      for (const entry of this.#options.store.open(this.#lastPosition)) {
        this.#lastPosition = entry.position;
        const { reply, roomId } = entry;
        const message = parseMessage(entry.event);
        const key = message?.thread ?? message?.to ?? roomId;
        if (reply) this.#reply(entry, reply);
        else this.#routing.run(key, () => this.#step(entry, () => this.#route(entry, message)));
      }
    } catch (thrown) {
      this.#onStoreFailure(thrown);
    }
  }

  async #route(entry: InboxEntry, message: IncomingMessage | undefined): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    const { routes } = this.#options;
    const route = message && (await this.#retry(() => routes.find(entry.roomId, message, signal)));
    if (!message || !route) return this.#finish(entry);
    const work = () => this.#step(entry, () => this.#execute({ ...entry, message, route }));
    this.#executing.run(route.taskId ?? entry.roomId, work);
  }

  async #execute(message: RoutedMessage): Promise<void> {
    const { execute, store } = this.#options;
    const { signal } = this.#closing;
    if (signal.aborted) return;
    const reply = await this.#retry(() => execute(message, signal));
    if (this.#closed) return;
    if (!reply) return this.#finish(message);
    store.settle(message.event.event_id, reply);
    this.#reply(message, reply);
  }

  #reply(entry: InboxEntry, reply: Reply): void {
    const replying = this.#step(entry, async () => {
      for (const message of outgoing(entry, reply)) await this.#retry(() => this.#send(message));
      this.#finish(entry);
    }).finally(() => this.#replying.delete(replying));
    this.#replying.add(replying);
  }

  async #send(message: Outgoing): Promise<void> {
    try {
      await this.#options.send(message, this.#closing.signal);
    } catch (thrown) {
      // An earlier attempt has arrived.
      if (!(thrown instanceof MatrixFailure && thrown.errcode === 'M_DUPLICATE_ANNOTATION')) throw thrown;
    }
  }

  /** Runs one step of an entry; discards the entry where the step fails for good. */
  async #step(entry: InboxEntry, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      if (this.#closing.signal.aborted) return;
      const { event, roomId } = entry;
      this.#options.logger.warn(
        { roomId, eventId: event.event_id, err: messageOf(thrown) },
        'a Matrix message failed for good and is discarded',
      );
      try {
        this.#finish(entry);
      } catch (storeFailure) {
        this.#onStoreFailure(storeFailure);
      }
    }
  }

  /** Repeats work while its failures are transient. */
  async #retry<T>(work: () => Promise<T>): Promise<T> {
    const { clock, logger } = this.#options;
    const backoff = new Backoff(clock);
    const id = Symbol('retry');
    try {
      for (;;) {
        try {
          return await work();
        } catch (thrown) {
          if (this.#closing.signal.aborted || !isTransient(thrown)) throw thrown;
          const error = messageOf(thrown);
          if (!this.#failing.has(id)) logger.warn({ error }, 'a Matrix message waits for a retry');
          this.#failing.set(id, error);
          await backoff.wait(thrown, this.#closing.signal);
        }
      }
    } finally {
      this.#failing.delete(id);
    }
  }

  #finish({ event }: InboxEntry): void {
    if (!this.#closed) this.#options.store.close(event.event_id);
  }

  /** The database failed: the process ends, and the next one continues. */
  #onStoreFailure(thrown: unknown): void {
    this.#options.logger.error({ err: messageOf(thrown) }, 'a Matrix message could not be stored');
  }
}

/** The server accepts each transaction id once, however often it is sent. */
function outgoing({ roomId, event }: InboxEntry, { reaction, notice }: Reply): Outgoing[] {
  const messages: Outgoing[] = [];
  if (reaction) {
    const content = { 'm.relates_to': { rel_type: 'm.annotation', ...reaction } };
    messages.push({ roomId, type: 'm.reaction', txnId: `ack-${event.event_id}`, content });
  }
  if (notice)
    messages.push({ roomId, type: 'm.room.message', txnId: `answer-${event.event_id}`, content: notice });
  return messages;
}
