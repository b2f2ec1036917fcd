import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { OpenCodeApi } from './api.ts';

/** How many idle instances are kept warm at most; each holds about 33 MB of the server. */
const MAX_LINGERING = 8;

/**
 * Frees OpenCode's instances of directories that the bridge made: some time after the last run in one ended,
 * or sooner when many wait. OpenCode itself never frees one.
 */
export class Instances {
  readonly #api: OpenCodeApi;
  readonly #lingerMs: number;
  readonly #logger: Logger;
  readonly #inUse = new Map<string, number>();
  readonly #lingering = new Map<string, NodeJS.Timeout>();

  constructor(api: OpenCodeApi, lingerMs: number, logger: Logger) {
    this.#api = api;
    this.#lingerMs = lingerMs;
    this.#logger = logger;
  }

  acquire(directory: string): void {
    clearTimeout(this.#lingering.get(directory));
    this.#lingering.delete(directory);
    this.#inUse.set(directory, (this.#inUse.get(directory) ?? 0) + 1);
  }

  /** One run less in the directory; `ours` says whether the bridge made it and may dispose of it. */
  release(directory: string, ours: boolean): void {
    const left = (this.#inUse.get(directory) ?? 1) - 1;
    if (left > 0) {
      this.#inUse.set(directory, left);
      return;
    }
    this.#inUse.delete(directory);
    if (!ours) return;
    this.#lingering.set(
      directory,
      setTimeout(() => this.#dispose(directory), this.#lingerMs),
    );
    const [oldest] = this.#lingering.keys();
    if (this.#lingering.size > MAX_LINGERING && oldest !== undefined) this.#dispose(oldest);
  }

  close(): void {
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    this.#lingering.clear();
  }

  #dispose(directory: string): void {
    clearTimeout(this.#lingering.get(directory));
    this.#lingering.delete(directory);
    this.#disposeIdle(directory).catch((thrown) => {
      this.#logger.warn(
        { directory, err: messageOf(thrown) },
        'an idle OpenCode instance could not be freed',
      );
    });
  }

  async #disposeIdle(directory: string): Promise<void> {
    const busy = (await this.#api.statuses(directory)).size > 0;
    if (!busy && !this.#inUse.has(directory)) await this.#api.dispose(directory);
  }
}
