import { BridgeError } from '../errors.ts';

/** Fewer than the connections that the server takes, so that requests are served however many streams are open. */
const MAX_STREAMS = 2_000;
const RETRY_AFTER_SECONDS = 10;

/** Counts the open streams of the task API: server-sent events and WebSockets. */
export class StreamLimit {
  readonly #max: number;
  #open = 0;

  constructor(max = MAX_STREAMS) {
    this.#max = max;
  }

  get open(): number {
    return this.#open;
  }

  /** Throws RATE_LIMITED where too many are open. */
  assertRoom(): void {
    if (this.#open < this.#max) return;
    throw new BridgeError('RATE_LIMITED', `${this.#max} streams are open, more are not allowed.`, {
      next: 'Close streams that you no longer need, or read pages of events instead.',
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }

  /** Counts a connection until it closes. */
  add(connection: { once(event: 'close', listener: () => void): unknown }): void {
    this.assertRoom();
    this.#open += 1;
    connection.once('close', () => {
      this.#open -= 1;
    });
  }
}
