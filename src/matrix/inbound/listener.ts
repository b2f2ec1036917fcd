import type { Clock } from '../../clock.ts';
import type { DependencyHealth } from '../../health.ts';
import type { Logger } from '../../logger.ts';
import type { MatrixEvent, SyncAnswer } from '../events.ts';
import type { MatrixApi } from '../matrix-api.ts';
import { MatrixFailure } from '../matrix-failure.ts';
import { Backoff } from './backoff.ts';
import type { InboxMessage } from './inbox-entry.ts';
import type { MatrixStorage } from './matrix-storage.ts';

const POLL_MS = 30_000;
/** Events of each room in one sync answer; the listener reads the rest page by page. */
const TIMELINE = 50;
const MAX_PAGES = 20;

export interface ListenerOptions {
  api: Pick<MatrixApi, 'sync' | 'before'>;
  storage: MatrixStorage;
  /** The account of the bridge, whose own events are left out. */
  userId: string;
  /** Runs before the first sync, again until it succeeds. */
  prepare?: (signal: AbortSignal) => Promise<void>;
  /** The only room to listen to; undefined: all rooms of the account. */
  room: () => string | undefined;
  /** Stores new messages, in order. The sync position moves only after it: a crash in between repeats them. */
  onMessages: (messages: InboxMessage[], signal: AbortSignal) => Promise<void>;
  logger: Logger;
  clock: Clock;
  random?: () => number;
}

/** Receives all messages of rooms by long polls, across restarts, failures and gaps. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #closing = new AbortController();
  readonly #backoff: Backoff;
  #prepared = false;
  #since: string | undefined;
  #failing: { since: number; error: string } | undefined;
  #listening: Promise<void> | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.clock, options.random);
    this.#since = options.storage.since;
  }

  start(): void {
    const { storage, logger } = this.#options;
    if (storage.problem) logger.error({ next: storage.problem.next }, storage.problem.message);
    else this.#listening = this.#listen();
  }

  /** Ends the current poll. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#listening;
  }

  health(): DependencyHealth {
    const name = 'matrix commands';
    const { problem } = this.#options.storage;
    if (problem) return { name, status: 'degraded', detail: `${problem.message} ${problem.next}` };
    if (!this.#failing) return { name, status: 'ok', detail: 'listening' };
    const { since, error } = this.#failing;
    return { name, status: 'degraded', detail: `failing since ${new Date(since).toISOString()}: ${error}` };
  }

  async #listen(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await this.#poll(signal);
        this.#succeeded();
      } catch (thrown) {
        if (signal.aborted) return;
        this.#failed(thrown);
        await this.#backoff.wait(thrown, signal);
      }
    }
  }

  /** The first sync ever only sets the position: earlier messages are not commands. */
  async #poll(signal: AbortSignal): Promise<void> {
    const { storage } = this.#options;
    if (!this.#prepared) await this.#options.prepare?.(signal);
    this.#prepared = true;
    const since = this.#since;
    const answer = await this.#sync(since, signal);
    if (since !== undefined) await this.#receive(answer, since, signal);
    storage.save(answer.next_batch);
    this.#since = answer.next_batch;
  }

  async #sync(since: string | undefined, signal: AbortSignal): Promise<SyncAnswer> {
    const { api, room, userId, logger } = this.#options;
    // After a failure, an answer at once shows that the server is back.
    const waitMs = since === undefined || this.#failing ? 0 : POLL_MS;
    try {
      return await api.sync(since, waitMs, filter(room(), userId), signal);
    } catch (thrown) {
      if (since !== undefined && thrown instanceof MatrixFailure && thrown.status === 400) {
        logger.warn({ since }, 'the homeserver does not know the sync position: listening from now on');
        this.#since = undefined;
      }
      throw thrown;
    }
  }

  async #receive({ rooms }: SyncAnswer, since: string, signal: AbortSignal): Promise<void> {
    const messages: InboxMessage[] = [];
    for (const [roomId, { timeline }] of Object.entries(rooms.join)) {
      const { limited, prev_batch: from, events } = timeline;
      const missed = limited && from !== undefined ? await this.#missed(roomId, from, since, signal) : [];
      messages.push(...[...missed, ...events].map((event) => ({ roomId, event })));
    }
    const { userId, onMessages } = this.#options;
    await onMessages(
      messages.filter(({ event }) => event.sender !== userId),
      signal,
    );
  }

  /** The events between the last answer and this one, the oldest first. */
  async #missed(roomId: string, from: string, since: string, signal: AbortSignal): Promise<MatrixEvent[]> {
    const { api, userId, logger } = this.#options;
    const missed: MatrixEvent[] = [];
    let next: string | undefined = from;
    for (let page = 0; page < MAX_PAGES && next !== undefined && next !== since; page += 1) {
      const { chunk, end } = await api.before(roomId, next, since, eventFilter(userId), signal);
      missed.push(...chunk);
      next = end === next ? undefined : end;
    }
    if (next !== undefined && next !== since)
      logger.warn(
        { roomId, read: missed.length },
        'too many events in a room since the last sync: the oldest are not read',
      );
    return missed.reverse();
  }

  #succeeded(): void {
    if (this.#failing) this.#options.logger.info({}, 'the Matrix sync works again');
    this.#failing = undefined;
    this.#backoff.reset();
  }

  #failed(thrown: unknown): void {
    const { clock, logger } = this.#options;
    const error = thrown instanceof Error ? thrown.message : String(thrown);
    if (error !== this.#failing?.error) logger.warn({ error }, 'the Matrix sync failed; trying again');
    this.#failing = { since: this.#failing?.since ?? clock.now(), error };
  }
}

function eventFilter(userId: string) {
  const types = ['m.room.message', 'm.reaction', 'm.room.encryption', 'm.room.encrypted'];
  return { types, not_senders: [userId] };
}

function filter(roomId: string | undefined, userId: string): object {
  const none = { types: [] };
  return {
    presence: none,
    account_data: none,
    room: {
      ...(roomId !== undefined && { rooms: [roomId] }),
      timeline: { ...eventFilter(userId), limit: TIMELINE },
      state: none,
      ephemeral: none,
      account_data: none,
    },
  };
}
