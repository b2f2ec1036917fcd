/** Work in order for each key, the keys side by side. */
export class KeyedQueue {
  readonly #last = new Map<string, Promise<void>>();

  /** Does the work, which never rejects, behind all that came before it for the key. */
  run(key: string, work: () => Promise<void>): void {
    const before = this.#last.get(key) ?? Promise.resolve();
    const after = before.then(work).finally(() => {
      if (this.#last.get(key) === after) this.#last.delete(key);
    });
    this.#last.set(key, after);
  }

  /** Resolves when nothing is left to do. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }
}
