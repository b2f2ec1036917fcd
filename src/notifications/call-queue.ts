/** Starts calls in the order in which they are added, so many at once, until the signal aborts. */
export class CallQueue {
  readonly #most: number;
  readonly #signal: AbortSignal;
  readonly #waiting: (() => Promise<void>)[] = [];
  readonly #running = new Set<Promise<void>>();

  constructor(most: number, signal: AbortSignal) {
    this.#most = most;
    this.#signal = signal;
  }

  /** The call must not reject. */
  add(call: () => Promise<void>): void {
    this.#waiting.push(call);
    this.#admit();
  }

  /** Resolves when none of the calls under way now is any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  #admit(): void {
    while (this.#running.size < this.#most && !this.#signal.aborted) {
      const call = this.#waiting.shift();
      if (!call) return;
      const running = call();
      this.#running.add(running);
      void running.then(() => {
        this.#running.delete(running);
        this.#admit();
      });
    }
  }
}
