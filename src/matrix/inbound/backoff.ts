import type { Clock } from '../../clock.ts';
import { MatrixFailure } from '../matrix-failure.ts';

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;
/** Whoever asks for longer is asked again then. */
const LONGEST_ASKED_MS = 600_000;

/** How long to leave the homeserver alone after failures in a row. */
export class Backoff {
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;

  constructor(clock: Clock, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Waits a time that doubles, and as long as the server asked for; ends at once when the signal aborts. */
  async wait(thrown: unknown, signal: AbortSignal): Promise<void> {
    const step = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    const asked = thrown instanceof MatrixFailure ? (thrown.retryAfterMs ?? 0) : 0;
    // A token does not become valid by being asked about often.
    const least = isTokenRefused(thrown) ? LONGEST_MS : Math.min(asked, LONGEST_ASKED_MS);
    await pause(Math.max(step * (0.5 + this.#random() / 2), least), this.#clock, signal);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Whether the same call may succeed later, since the server, the way to it or the token is what failed. */
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
