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

/** How long what is being done when the bridge stops has to come to its end. */
const LEAVE_MS = 5_000;

/** Something said that is to be acted on. */
export interface RoutedMessage extends InboxEntry {
  said: IncomingMessage;
  route: Route;
}

export interface InboxOptions {
  store: InboxStore;
  routes: Pick<Routes, 'find'>;
  /** Does what was said, and answers what to tell of it; undefined: nothing. Rejects where it cannot know yet. */
  carryOut: (saying: RoutedMessage, signal: AbortSignal) => Promise<Reply | undefined>;
  send: (message: Outgoing, signal: AbortSignal) => Promise<unknown>;
  logger: Logger;
  clock: Clock;
}

/**
 * Works through what was said: for each task in order, the tasks side by side. What was done is stored before it is
 * answered, so that a failing answer is only answered again.
 */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #closing = new AbortController();
  /** Of each thread or message that was spoken to: which task that is. */
  readonly #routing = new KeyedQueue();
  /** Of each task: what is to be done. */
  readonly #doing = new KeyedQueue();
  readonly #pruning: InboxPruning;
  readonly #answering = new Set<Promise<void>>();
  /** Why steps have to be tried again. */
  readonly #failing = new Map<symbol, string>();
  #reached = 0;
  #closed = false;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#pruning = new InboxPruning(options);
  }

  /** Takes up what an earlier process left. */
  start(): void {
    this.#pruning.start();
    this.#sort();
  }

  take(heard: readonly InboxMessage[]): void {
    const { store, clock } = this.#options;
    store.add(heard, clock.now());
    this.#sort();
  }

  /** What is being done has a while to end; what has not begun is for the next process. */
  async close(): Promise<void> {
    this.#pruning.close();
    this.#closing.abort();
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(LEAVE_MS, resolve);
    await Promise.race([this.#idle(), over]);
    cancel();
    this.#closed = true;
  }

  /** What holds commands or answers up; undefined while nothing does. */
  get trouble(): string | undefined {
    const [error] = this.#failing.values();
    return error === undefined ? undefined : `${this.#failing.size} command(s) wait: ${error}`;
  }

  async #idle(): Promise<void> {
    await this.#routing.idle();
    await this.#doing.idle();
    await Promise.all(this.#answering);
  }

  /** Hands on what is new. Where one thing cannot be looked up, only what was said to the same one waits behind it. */
  #sort(): void {
    try {
      for (const entry of this.#options.store.open(this.#reached)) {
        this.#reached = entry.position;
        const { reply, roomId } = entry;
        const said = parseMessage(entry.event);
        const about = said?.thread ?? said?.to ?? roomId;
        if (reply) this.#answer(entry, reply);
        else this.#routing.run(about, () => this.#settling(entry, () => this.#route(entry, said)));
      }
    } catch (thrown) {
      this.#lost(thrown);
    }
  }

  async #route(entry: InboxEntry, said: IncomingMessage | undefined): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    const find = (spoken: IncomingMessage) => this.#options.routes.find(entry.roomId, spoken, signal);
    const route = said && (await this.#trying(() => find(said)));
    if (!said || !route) return this.#forget(entry);
    const work = () => this.#settling(entry, () => this.#carryOut({ ...entry, said, route }));
    this.#doing.run(route.taskId ?? entry.roomId, work);
  }

  async #carryOut(saying: RoutedMessage): Promise<void> {
    const { carryOut, store } = this.#options;
    const { signal } = this.#closing;
    if (signal.aborted) return;
    const reply = await this.#trying(() => carryOut(saying, signal));
    if (this.#closed) return;
    if (!reply) return this.#forget(saying);
    store.settle(saying.event.event_id, reply);
    this.#answer(saying, reply);
  }

  #answer(entry: InboxEntry, reply: Reply): void {
    const answering = this.#settling(entry, async () => {
      for (const message of outgoing(entry, reply)) await this.#trying(() => this.#send(message));
      this.#forget(entry);
    }).finally(() => this.#answering.delete(answering));
    this.#answering.add(answering);
  }

  async #send(message: Outgoing): Promise<void> {
    try {
      await this.#options.send(message, this.#closing.signal);
    } catch (thrown) {
      // It is there already.
      if (!(thrown instanceof MatrixFailure && thrown.errcode === 'M_DUPLICATE_ANNOTATION')) throw thrown;
    }
  }

  /** Does one step for an event; where that can never succeed, the event is given up. */
  async #settling(entry: InboxEntry, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (thrown) {
      if (this.#closing.signal.aborted) return;
      const { event, roomId } = entry;
      this.#options.logger.warn(
        { roomId, eventId: event.event_id, err: messageOf(thrown) },
        'what was said in Matrix is given up',
      );
      try {
        this.#forget(entry);
      } catch (lost) {
        this.#lost(lost);
      }
    }
  }

  async #trying<T>(step: () => Promise<T>): Promise<T> {
    const { clock, logger } = this.#options;
    const backoff = new Backoff(clock);
    const id = Symbol('step');
    try {
      for (;;) {
        try {
          return await step();
        } catch (thrown) {
          if (this.#closing.signal.aborted || !isTransient(thrown)) throw thrown;
          const error = messageOf(thrown);
          if (!this.#failing.has(id)) logger.warn({ error }, 'what was said in Matrix has to wait');
          this.#failing.set(id, error);
          await backoff.wait(thrown, this.#closing.signal);
        }
      }
    } finally {
      this.#failing.delete(id);
    }
  }

  #forget({ event }: InboxEntry): void {
    if (!this.#closed) this.#options.store.close(event.event_id);
  }

  /** The database failed: the process ends, and the next one does what is left. */
  #lost(thrown: unknown): void {
    this.#options.logger.error({ err: messageOf(thrown) }, 'what was said in Matrix could not be stored');
  }
}

/** The server takes each only once, however often it is sent. */
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
