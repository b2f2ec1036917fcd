/** Runs calls with limited concurrency, in the order in which they are added. Starts none after the signal aborts. */
export class CallQueue {
  readonly #limit: number;
  readonly #signal: AbortSignal;
  readonly #waiting: (() => Promise<void>)[] = [];
  readonly #running = new Set<Promise<void>>();

  constructor(limit: number, signal: AbortSignal) {
    this.#limit = limit;
    this.#signal = signal;
  }

  /** The call must not reject. */
  add(call: () => Promise<void>): void {
    this.#waiting.push(call);
    this.#startNext();
  }

  /** Resolves when the calls that run now have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  #startNext(): void {
    while (this.#running.size < this.#limit && !this.#signal.aborted) {
      const call = this.#waiting.shift();
      if (!call) return;
      const running = call();
      this.#running.add(running);
      void running.then(() => {
        this.#running.delete(running);
        this.#startNext();
      });
    }
  }
}
