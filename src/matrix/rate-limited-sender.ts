import { type Clock, SYSTEM_CLOCK } from '../clock.ts';
import { DeliveryError } from '../delivery-error.ts';
import type { MatrixApi } from './matrix-api.ts';
import { MatrixFailure } from './matrix-failure.ts';

/** Concurrent sends while the server does not limit the rate. */
const MAX_CONCURRENT = 8;
/** For this time after a limit, messages go out one at a time, so that a single one probes the limit. */
const PROBE_MS = 60_000;
/** For a limit without a Retry-After. */
const DEFAULT_WAIT_MS = 5_000;
/** Between two progress updates, over all tasks. */
const MIN_GAP_MS = 500;
/** By default Synapse allows a user one event in 5 s. */
const LIMITED_GAP_MS = 10_000;
const MAX_GAP_MS = 120_000;

/** An event to send to a room. */
export interface Outgoing {
  roomId: string;
  type: string;
  /** The server accepts each id once. */
  txnId: string;
  content: object;
}

interface Waiting {
  /** The order of arrival, which a message keeps when the server limits it. */
  ticket: number;
  go: () => void;
}

/**
 * Sends all events of the account, because the server limits their rate over all rooms together. Messages wait here
 * for their turn. Progress updates are deferred first, which leaves the rate for important messages.
 */
export class RateLimitedSender {
  readonly #api: Pick<MatrixApi, 'send'>;
  readonly #clock: Clock;
  readonly #queue: Waiting[] = [];
  #lastTicket = 0;
  #active = 0;
  #pausedUntil = 0;
  #probeUntil = 0;
  #gapMs = MIN_GAP_MS;
  #progressAt = 0;
  #wake: (() => void) | undefined;

  constructor(api: Pick<MatrixApi, 'send'>, clock: Clock = SYSTEM_CLOCK) {
    this.#api = api;
    this.#clock = clock;
  }

  /** Sends in turn, once the server allows it; returns the event's id. Rejects when `signal` aborts. */
  async send(message: Outgoing, signal: AbortSignal): Promise<string> {
    this.#lastTicket += 1;
    const ticket = this.#lastTicket;
    for (;;) {
      await this.#waitForTurn(ticket, signal);
      try {
        const { roomId, type, txnId, content } = message;
        return await this.#api.send(roomId, type, txnId, content, signal);
      } catch (thrown) {
        if (!(thrown instanceof MatrixFailure && thrown.limited)) throw thrown;
        this.#onLimit(thrown.retryAfterMs ?? DEFAULT_WAIT_MS);
      } finally {
        this.#active -= 1;
        this.#next();
      }
    }
  }

  /** Whether a progress update may be sent now. */
  get hasRoom(): boolean {
    return this.progressFrom <= this.#clock.now();
  }

  /** When the next progress update may be sent, in epoch milliseconds. */
  get progressFrom(): number {
    return Math.max(this.#progressAt, this.#queue.length > 0 ? this.#clock.now() + this.#gapMs : 0);
  }

  /** Sends a progress update, after `progressFrom`. The gap to the next one grows with each limit. */
  async sendProgress(message: Outgoing, signal: AbortSignal): Promise<string> {
    this.#progressAt = this.#clock.now() + this.#gapMs;
    const id = await this.send(message, signal);
    this.#gapMs = Math.max(MIN_GAP_MS, this.#gapMs * 0.9);
    return id;
  }

  #onLimit(retryAfterMs: number): void {
    const now = this.#clock.now();
    this.#pausedUntil = Math.max(this.#pausedUntil, now + retryAfterMs);
    this.#probeUntil = this.#pausedUntil + PROBE_MS;
    this.#gapMs = Math.min(MAX_GAP_MS, Math.max(LIMITED_GAP_MS, this.#gapMs * 2));
    this.#progressAt = this.#pausedUntil + this.#gapMs;
  }

  #waitForTurn(ticket: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        if (this.#queue.length === 0) this.#cancelTimer();
        reject(new DeliveryError('Matrix: aborted while the homeserver limits the rate'));
      };
      const waiting = {
        ticket,
        go: (): void => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      if (signal.aborted) return reject(new DeliveryError('Matrix: aborted before it was sent'));
      signal.addEventListener('abort', onAbort, { once: true });
      const later = this.#queue.findIndex((other) => other.ticket > ticket);
      this.#queue.splice(later < 0 ? this.#queue.length : later, 0, waiting);
      this.#next();
    });
  }

  /** A timer would keep a stopping bridge alive. */
  #cancelTimer(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #next(): void {
    const now = this.#clock.now();
    if (this.#queue.length === 0) return;
    if (now < this.#pausedUntil) {
      this.#wake ??= this.#clock.after(this.#pausedUntil - now, () => {
        this.#wake = undefined;
        this.#next();
      });
      return;
    }
    const limit = now < this.#probeUntil ? 1 : MAX_CONCURRENT;
    while (this.#active < limit) {
      const next = this.#queue.shift();
      if (!next) return;
      this.#active += 1;
      next.go();
    }
  }
}
