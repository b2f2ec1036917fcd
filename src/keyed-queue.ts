import { SerialQueue } from './serial-queue.ts';

/** A `SerialQueue` for each key; work of different keys runs concurrently. */
export class KeyedQueue {
  readonly #queues = new Map<string, SerialQueue>();

  /** Runs `work` after all that was added before for the key, also where that failed. The result settles as `work` does. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const queue = this.#queues.get(key) ?? new SerialQueue();
    this.#queues.set(key, queue);
    return queue.run(work).finally(() => {
      if (queue.isEmpty) this.#queues.delete(key);
    });
  }

  /** Resolves when no work waits or runs for any key. */
  async idle(): Promise<void> {
    while (this.#queues.size > 0) await Promise.all([...this.#queues.values()].map((queue) => queue.idle()));
  }
}
