import type { Writable } from 'node:stream';

/** Short enough not to be seen, long enough that a busy connection needs a fraction of the system calls. */
const INTERVAL_MS = 4;

/**
 * Joins the writes of a busy connection: the first goes out at once, and those that follow within 4 ms of it go out
 * together. With 50 followers of a task that has 5,000 events a second, the system calls alone fill a processor.
 */
export class WritePacer {
  readonly #stream: Writable;
  #last = Number.NEGATIVE_INFINITY;
  #corked = false;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** To be called before each write. */
  beforeWrite(): void {
    if (this.#corked) return;
    const now = performance.now();
    if (now - this.#last < INTERVAL_MS) {
      this.#stream.cork();
      this.#corked = true;
      setTimeout(this.#flush, INTERVAL_MS);
    }
    this.#last = now;
  }

  readonly #flush = (): void => {
    this.#corked = false;
    this.#last = performance.now();
    this.#stream.uncork();
  };
}
