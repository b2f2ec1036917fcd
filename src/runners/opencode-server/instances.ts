import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { OpenCodeApi } from './api.ts';

/** Idle instances stay up to this total, with those in use; each takes about 33 MB of the server's memory. */
const WARM_INSTANCES = 6;
/** OpenCode begins with a prompt in much less. */
const BEGIN_LIMIT_MS = 5_000;

/** OpenCode's instance of a folder, for the turns that run there. */
export interface FolderInstance {
  /** While it is being freed: no prompt may leave then, because OpenCode would abort its turn. */
  readonly freeing: Promise<void> | undefined;
  /** Right before a prompt leaves: the instance is not freed until the turn has begun, as its status shows from then on. */
  onStart(begun: Promise<void>): void;
  /** Frees the instance, which cannot start a turn any more, so that OpenCode makes a new one; where the bridge may. */
  renew(): Promise<void>;
}

/**
 * Frees OpenCode's instances of directories that the bridge made: some time after the last run in the directory, or
 * earlier where there are many instances and a run starts or none is left. OpenCode itself never frees one.
 */
export class Instances {
  readonly #api: OpenCodeApi;
  readonly #lingerMs: number;
  readonly #logger: Logger;
  readonly #inUse = new Map<string, number>();
  readonly #lingering = new Map<string, NodeJS.Timeout>();
  #closed = false;
  readonly #disposals = new Map<string, Promise<void>>();
  /** Turns whose prompts have left and that OpenCode has not begun with, by directory. */
  readonly #starting = new Map<string, Set<Promise<void>>>();

  constructor(api: OpenCodeApi, lingerMs: number, logger: Logger) {
    this.#api = api;
    this.#lingerMs = lingerMs;
    this.#logger = logger;
  }

  /** Whether no run uses an instance. */
  get idle(): boolean {
    return this.#inUse.size === 0;
  }

  /** Registers a run in the directory; resolves when the directory can be used. */
  async acquire(directory: string): Promise<void> {
    clearTimeout(this.#lingering.get(directory));
    this.#lingering.delete(directory);
    this.#inUse.set(directory, (this.#inUse.get(directory) ?? 0) + 1);
    this.#freeSurplus();
    await this.#disposals.get(directory);
  }

  /** Unregisters a run in the directory. `ours`: whether the bridge made the directory and may free its instance. */
  release(directory: string, ours: boolean): void {
    const runs = (this.#inUse.get(directory) ?? 1) - 1;
    if (runs > 0) {
      this.#inUse.set(directory, runs);
      return;
    }
    this.#inUse.delete(directory);
    if (ours) this.#linger(directory);
    // Running tasks would have to wait while an instance is freed.
    if (this.#inUse.size === 0) this.#freeSurplus();
  }

  /** `ours`: whether the bridge may free the directory's instance. */
  of(directory: string, ours: boolean): FolderInstance {
    const disposals = this.#disposals;
    return {
      get freeing() {
        return disposals.get(directory);
      },
      onStart: (begun) => this.#onStart(directory, begun),
      renew: async () => (ours ? this.#renew(directory) : undefined),
    };
  }

  #onStart(directory: string, begun: Promise<void>): void {
    const starting = this.#starting.get(directory) ?? new Set();
    this.#starting.set(directory, starting.add(begun));
    begun.then(() => {
      starting.delete(begun);
      if (starting.size === 0) this.#starting.delete(directory);
    });
  }

  /**
   * From its first step on no prompt leaves for the directory, and one that has left is waited for; one that cannot
   * reach OpenCode keeps the instance. So no turn starts between the look at the statuses and the disposal. A busy
   * session shows that the instance can start a turn.
   */
  #renew(directory: string): Promise<void> {
    const dispose = async (): Promise<void> => {
      const allBegun = Promise.all(this.#starting.get(directory) ?? []).then(() => true);
      const late = sleep(BEGIN_LIMIT_MS, false, { ref: false });
      if (!(await Promise.race([allBegun, late]))) return;
      if ((await this.#api.statuses(directory)).size === 0) await this.#api.dispose(directory);
    };
    return this.#disposals.get(directory) ?? this.#track(directory, dispose);
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
  #freeSurplus(): void {
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

  /** A session of somebody else may be busy in the directory: then later. */
  async #disposeIdle(directory: string): Promise<void> {
    const busy = (await this.#api.statuses(directory)).size > 0;
    if (this.#inUse.has(directory)) return;
    if (busy) this.#linger(directory);
    else await this.#api.dispose(directory);
  }
}
