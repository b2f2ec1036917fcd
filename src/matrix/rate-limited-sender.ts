import { type Clock, SYSTEM_CLOCK } from '../clock.ts';
import { DeliveryError } from '../delivery-error.ts';
import type { MatrixApi } from './matrix-api.ts';
import { MatrixFailure } from './matrix-failure.ts';

/** Sends at once while the server takes everything. */
const WIDTH = 8;
/** How long after a refusal they go out one by one, so that a single one finds out whether there is room again. */
const CAREFUL_MS = 60_000;
/** Where the server limits without saying for how long. */
const DEFAULT_WAIT_MS = 5_000;
/** Between two messages that nobody misses, over all tasks. */
const LEAST_GAP_MS = 500;
/** Synapse as it comes lets a user send one event in 5 s. */
const LIMITED_GAP_MS = 10_000;
const LONGEST_GAP_MS = 120_000;

/** An event on its way into a room. */
export interface Outgoing {
  roomId: string;
  type: string;
  /** The server takes each only once. */
  txnId: string;
  content: object;
}

interface Waiting {
  /** Who came first goes first, also where the server refused it meanwhile. */
  ticket: number;
  go: () => void;
}

/**
 * The one way into rooms, because the server limits what the account sends in all of them together. Who has to wait
 * waits here; mere progress is held back first, so that there is room for what matters.
 */
export class RateLimitedSender {
  readonly #api: Pick<MatrixApi, 'send'>;
  readonly #clock: Clock;
  readonly #line: Waiting[] = [];
  #tickets = 0;
  #active = 0;
  #quietUntil = 0;
  #carefulUntil = 0;
  #gapMs = LEAST_GAP_MS;
  #progressAt = 0;
  #wake: (() => void) | undefined;

  constructor(api: Pick<MatrixApi, 'send'>, clock: Clock = SYSTEM_CLOCK) {
    this.#api = api;
    this.#clock = clock;
  }

  /** Sends when it is its turn and the server allows it; answers the event's id. Rejects when `signal` aborts. */
  async send(message: Outgoing, signal: AbortSignal): Promise<string> {
    this.#tickets += 1;
    const ticket = this.#tickets;
    for (;;) {
      await this.#turn(ticket, signal);
      try {
        const { roomId, type, txnId, content } = message;
        return await this.#api.send(roomId, type, txnId, content, signal);
      } catch (thrown) {
        if (!(thrown instanceof MatrixFailure && thrown.limited)) throw thrown;
        this.#limited(thrown.retryAfterMs ?? DEFAULT_WAIT_MS);
      } finally {
        this.#active -= 1;
        this.#admit();
      }
    }
  }

  /** Whether progress may be told now. */
  get hasRoom(): boolean {
    return this.progressFrom <= this.#clock.now();
  }

  /** When progress may be told next, in epoch milliseconds. */
  get progressFrom(): number {
    return Math.max(this.#progressAt, this.#line.length > 0 ? this.#clock.now() + this.#gapMs : 0);
  }

  /** Sends progress, for which `progressFrom` has come; the next one has to wait for longer the more is limited. */
  async sendProgress(message: Outgoing, signal: AbortSignal): Promise<string> {
    this.#progressAt = this.#clock.now() + this.#gapMs;
    const id = await this.send(message, signal);
    this.#gapMs = Math.max(LEAST_GAP_MS, this.#gapMs * 0.9);
    return id;
  }

  #limited(retryAfterMs: number): void {
    const now = this.#clock.now();
    this.#quietUntil = Math.max(this.#quietUntil, now + retryAfterMs);
    this.#carefulUntil = this.#quietUntil + CAREFUL_MS;
    this.#gapMs = Math.min(LONGEST_GAP_MS, Math.max(LIMITED_GAP_MS, this.#gapMs * 2));
    this.#progressAt = this.#quietUntil + this.#gapMs;
  }

  #turn(ticket: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#line.splice(this.#line.indexOf(waiting), 1);
        if (this.#line.length === 0) this.#rest();
        reject(new DeliveryError('Matrix: given up while the homeserver limits what may be sent'));
      };
      const waiting = {
        ticket,
        go: (): void => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      if (signal.aborted) return reject(new DeliveryError('Matrix: given up before it was sent'));
      signal.addEventListener('abort', leave, { once: true });
      const later = this.#line.findIndex((other) => other.ticket > ticket);
      this.#line.splice(later < 0 ? this.#line.length : later, 0, waiting);
      this.#admit();
    });
  }

  /** A timer would keep a bridge alive that stops. */
  #rest(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #admit(): void {
    const now = this.#clock.now();
    if (this.#line.length === 0) return;
    if (now < this.#quietUntil) {
      this.#wake ??= this.#clock.after(this.#quietUntil - now, () => {
        this.#wake = undefined;
        this.#admit();
      });
      return;
    }
    const width = now < this.#carefulUntil ? 1 : WIDTH;
    while (this.#active < width) {
      const next = this.#line.shift();
      if (!next) return;
      this.#active += 1;
      next.go();
    }
  }
}
