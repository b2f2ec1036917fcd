import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { OpenCodeApi } from './api.ts';

/** Idle instances are kept warm only up to so many with those in use; each holds about 33 MB of the server. */
const WARM_INSTANCES = 6;

/**
 * Frees OpenCode's instances of directories that the bridge made: some time after the last run in one ended,
 * or sooner where there are many and another comes or none runs. OpenCode itself never frees one.
 */
export class Instances {
  readonly #api: OpenCodeApi;
  readonly #lingerMs: number;
  readonly #logger: Logger;
  readonly #inUse = new Map<string, number>();
  readonly #lingering = new Map<string, NodeJS.Timeout>();
  #closed = false;
  readonly #disposals = new Map<string, Promise<void>>();

  constructor(api: OpenCodeApi, lingerMs: number, logger: Logger) {
    this.#api = api;
    this.#lingerMs = lingerMs;
    this.#logger = logger;
  }

  /** Whether no run uses any. */
  get idle(): boolean {
    return this.#inUse.size === 0;
  }

  /** One run more in the directory; resolves when it can be used. */
  async acquire(directory: string): Promise<void> {
    clearTimeout(this.#lingering.get(directory));
    this.#lingering.delete(directory);
    this.#inUse.set(directory, (this.#inUse.get(directory) ?? 0) + 1);
    this.#makeRoom();
    await this.#disposals.get(directory);
  }

  /** One run less in the directory; `ours` says whether the bridge made it and may dispose of it. */
  release(directory: string, ours: boolean): void {
    const left = (this.#inUse.get(directory) ?? 1) - 1;
    if (left > 0) {
      this.#inUse.set(directory, left);
      return;
    }
    this.#inUse.delete(directory);
    if (ours) this.#linger(directory);
    // Freeing takes time that tasks which still run would wait for.
    if (this.#inUse.size === 0) this.#makeRoom();
  }

  /**
   * Has OpenCode start the directory's instance anew, which cannot start a turn any more; not while anything is at
   * work in it, which shows that it can. `ours`: whether the bridge may.
   */
  async renew(directory: string, ours: boolean): Promise<void> {
    if (!ours) return;
    if (this.#disposals.has(directory)) return this.#disposals.get(directory);
    await this.#track(directory, async () => {
      if ((await this.#api.statuses(directory)).size === 0) await this.#api.dispose(directory);
    });
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    this.#lingering.clear();
  }

  #linger(directory: string): void {
    if (this.#closed) return;
    const timer = setTimeout(() => this.#dispose(directory), this.#lingerMs);
    this.#lingering.set(directory, timer);
  }

  /** Frees idle instances, the oldest first. */
  #makeRoom(): void {
    const surplus = this.#inUse.size + this.#lingering.size - WARM_INSTANCES;
    for (const directory of [...this.#lingering.keys()].slice(0, Math.max(0, surplus))) {
      this.#dispose(directory);
    }
  }

  #dispose(directory: string): void {
    clearTimeout(this.#lingering.get(directory));
    this.#lingering.delete(directory);
    this.#track(directory, () => this.#disposeIdle(directory));
  }

  #track(directory: string, dispose: () => Promise<void>): Promise<void> {
    const disposal = dispose()
      .catch((thrown) => {
        this.#logger.warn({ directory, err: messageOf(thrown) }, 'an OpenCode instance could not be freed');
      })
      .finally(() => this.#disposals.delete(directory));
    this.#disposals.set(directory, disposal);
    return disposal;
  }

  /** Somebody else may be at work in the directory: then later. */
  async #disposeIdle(directory: string): Promise<void> {
    const busy = (await this.#api.statuses(directory)).size > 0;
    if (this.#inUse.has(directory)) return;
    if (busy) this.#linger(directory);
    else await this.#api.dispose(directory);
  }
}
