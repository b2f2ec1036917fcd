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
/** What a server tells of each room at once; the rest is read page by page. */
const TIMELINE = 50;
const PAGES = 20;

export interface ListenerOptions {
  api: Pick<MatrixApi, 'sync' | 'before'>;
  storage: MatrixStorage;
  /** Whose own events are left out. */
  userId: string;
  /** What has to be there before one can listen; called until it succeeds once. */
  prepare?: (signal: AbortSignal) => Promise<void>;
  /** The one room to listen to; undefined: all that the account is in. */
  room: () => string | undefined;
  /** Takes what was said, in order; once it has returned, the same is not told again, except after a crash. */
  take: (heard: InboxMessage[], signal: AbortSignal) => Promise<void>;
  logger: Logger;
  clock: Clock;
  random?: () => number;
}

/** Hears everything that is said in rooms, across restarts, failures and gaps, by long polls. */
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

  /** Ends the poll that is under way. */
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
        await this.#once(signal);
        this.#succeeded();
      } catch (thrown) {
        if (signal.aborted) return;
        this.#failed(thrown);
        await this.#backoff.wait(thrown, signal);
      }
    }
  }

  /** What is there at the very first start is history. */
  async #once(signal: AbortSignal): Promise<void> {
    const { storage } = this.#options;
    if (!this.#prepared) await this.#options.prepare?.(signal);
    this.#prepared = true;
    const since = this.#since;
    const answer = await this.#sync(since, signal);
    if (since !== undefined) await this.#told(answer, since, signal);
    storage.keep(answer.next_batch);
    this.#since = answer.next_batch;
  }

  async #sync(since: string | undefined, signal: AbortSignal): Promise<SyncAnswer> {
    const { api, room, userId, logger } = this.#options;
    // A server that failed says at once whether it is back.
    const waitMs = since === undefined || this.#failing ? 0 : POLL_MS;
    try {
      return await api.sync(since, waitMs, filter(room(), userId), signal);
    } catch (thrown) {
      if (since !== undefined && thrown instanceof MatrixFailure && thrown.status === 400) {
        logger.warn({ since }, 'the homeserver does not know how far was read: heard from now on');
        this.#since = undefined;
      }
      throw thrown;
    }
  }

  async #told({ rooms }: SyncAnswer, since: string, signal: AbortSignal): Promise<void> {
    const heard: InboxMessage[] = [];
    for (const [roomId, { timeline }] of Object.entries(rooms.join)) {
      const { limited, prev_batch: from, events } = timeline;
      const missed = limited && from !== undefined ? await this.#missed(roomId, from, since, signal) : [];
      heard.push(...[...missed, ...events].map((event) => ({ roomId, event })));
    }
    const { userId, take } = this.#options;
    await take(
      heard.filter(({ event }) => event.sender !== userId),
      signal,
    );
  }

  /** What lies between the last answer and what this one tells, the oldest first. */
  async #missed(roomId: string, from: string, since: string, signal: AbortSignal): Promise<MatrixEvent[]> {
    const { api, userId, logger } = this.#options;
    const missed: MatrixEvent[] = [];
    let next: string | undefined = from;
    for (let page = 0; page < PAGES && next !== undefined && next !== since; page += 1) {
      const { chunk, end } = await api.before(roomId, next, since, eventFilter(userId), signal);
      missed.push(...chunk);
      next = end === next ? undefined : end;
    }
    if (next !== undefined && next !== since)
      logger.warn(
        { roomId, read: missed.length },
        'too much was said in a room: the oldest of it is not read',
      );
    return missed.reverse();
  }

  #succeeded(): void {
    if (this.#failing) this.#options.logger.info({}, 'Matrix is heard again');
    this.#failing = undefined;
    this.#backoff.reset();
  }

  #failed(thrown: unknown): void {
    const { clock, logger } = this.#options;
    const error = thrown instanceof Error ? thrown.message : String(thrown);
    if (error !== this.#failing?.error) logger.warn({ error }, 'Matrix cannot be heard; tried again');
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
