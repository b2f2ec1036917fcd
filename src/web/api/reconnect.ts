const FIRST_MS = 300;
const LONGEST_MS = 5_000;

/** Waits before the next try: longer each time, and no longer than until the browser is online again. */
export class Backoff {
  #failures = 0;

  /** The connection works. */
  reset(): void {
    this.#failures = 0;
  }

  async wait(signal: AbortSignal): Promise<void> {
    const limit = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    // Spread, so that the pages that one bridge lost do not return at once.
    await untilTimeout(limit * (0.5 + Math.random() / 2), signal);
  }
}

function untilTimeout(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener('online', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
