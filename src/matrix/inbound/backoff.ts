import type { Clock } from '../../clock.ts';
import { MatrixFailure } from '../matrix-failure.ts';

const MIN_MS = 1_000;
const MAX_MS = 60_000;
/** The longest Retry-After that is respected. */
const MAX_RETRY_AFTER_MS = 600_000;

/** The pauses between attempts after consecutive failures of the homeserver. */
export class Backoff {
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;

  constructor(clock: Clock, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Waits for a time that doubles, at least as long as the server asks for. Ends at once when the signal aborts. */
  async wait(thrown: unknown, signal: AbortSignal): Promise<void> {
    const step = Math.min(MAX_MS, MIN_MS * 2 ** this.#failures);
    this.#failures += 1;
    const retryAfterMs = thrown instanceof MatrixFailure ? (thrown.retryAfterMs ?? 0) : 0;
    // Frequent attempts do not make a token valid.
    const least = isTokenRefused(thrown) ? MAX_MS : Math.min(retryAfterMs, MAX_RETRY_AFTER_MS);
    await pause(Math.max(step * (0.5 + this.#random() / 2), least), this.#clock, signal);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Whether the same call may succeed later: the server, the network or the token failed. */
export function isTransient(thrown: unknown): boolean {
  if (!(thrown instanceof MatrixFailure)) return false;
  const { status = 0 } = thrown;
  return status < 400 || status >= 500 || status === 429 || status === 408 || isTokenRefused(thrown);
}

function isTokenRefused(thrown: unknown): boolean {
  return thrown instanceof MatrixFailure && thrown.status === 401;
}

function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end, { once: true });
  });
}
