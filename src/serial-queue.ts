/** Runs work one at a time, in the order in which it is added. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();
  #size = 0;

  /** Whether no work waits or runs. */
  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** Runs `work` after all that was added before, also where that failed. The result settles as `work` does. */
  run<T>(work: () => Promise<T>): Promise<T> {
    this.#size += 1;
    const result = this.#last.then(work);
    const onEnd = (): void => {
      this.#size -= 1;
    };
    this.#last = result.then(onEnd, onEnd);
    return result;
  }

  /** Resolves when no work waits or runs. */
  async idle(): Promise<void> {
    while (!this.isEmpty) await this.#last;
  }
}
