import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EndedTask, TaskRemovals } from '../store/task-removals.ts';
import type { TaskFiles } from './task-files.ts';

const HOUR_MS = 60 * 60 * 1000;
const TASKS_AT_ONCE = 50;
const EVENTS_AT_ONCE = 500;

export interface RetentionOptions {
  removals: TaskRemovals;
  files: TaskFiles;
  /** Ends what still runs in a folder that is about to be removed. */
  endProcesses?: ((directory: string) => Promise<void>) | undefined;
  /** How long a task is kept after its end; 0: for ever. */
  keepMs: number;
  /** How long an idempotency key holds: a task is kept at least as long. */
  keyLifetimeMs: number;
  logger: Logger;
  now?: () => number;
  /** From the end of a round to the next. */
  everyMs?: number;
}

/**
 * Removes tasks that ended long ago, with all that was kept of them, in steps between which others get their turn.
 * A task is hidden first and its row goes last, so that the next round finishes what was broken off or failed.
 */
export class Retention {
  readonly #options: Required<Omit<RetentionOptions, 'endProcesses'>> & RetentionOptions;
  readonly #stop = new AbortController();
  /** Tasks whose failure was told. */
  readonly #told = new Set<string>();
  #rounds: Promise<void> = Promise.resolve();

  constructor(options: RetentionOptions) {
    this.#options = { now: Date.now, everyMs: HOUR_MS, ...options };
  }

  /** Sweeps now and then every hour, until closed. */
  start(): void {
    this.#rounds = this.#repeat();
  }

  /** Resolves when the step under way is done. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#rounds;
  }

  /** One round over all that is due. */
  async sweep(): Promise<void> {
    const { removals, keepMs, now } = this.#options;
    const endedBefore = keepMs === 0 ? 0 : now() - keepMs;
    const keysBefore = now() - this.#options.keyLifetimeMs;
    await this.#removeAll((after) => removals.begun(after, TASKS_AT_ONCE));
    await this.#removeAll((after) => removals.due(endedBefore, keysBefore, after, TASKS_AT_ONCE));
  }

  async #repeat(): Promise<void> {
    const { everyMs, logger } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await turn();
      await this.sweep().catch((thrown) =>
        logger.error({ err: messageOf(thrown) }, 'old tasks could not be looked for'),
      );
      await pause(everyMs, undefined, { ref: false, signal }).catch(() => {});
    }
  }

  async #removeAll(pageAfter: (last: EndedTask | undefined) => EndedTask[]): Promise<void> {
    let last: EndedTask | undefined;
    do {
      const page = pageAfter(last);
      for (const task of page) {
        await turn();
        if (this.#stop.signal.aborted) return;
        await this.#remove(task).catch((thrown) => this.#tell(task.id, thrown));
      }
      last = page.at(-1);
    } while (last);
  }

  async #remove(task: EndedTask): Promise<void> {
    const { removals, files } = this.#options;
    const { signal } = this.#stop;
    const folder = removals.folder(task);
    if (folder === 'wait') return;
    removals.hide(task.id);
    if (folder === 'remove') await this.#options.endProcesses?.(task.directory);
    await files.remove(task, folder === 'keep', signal);
    do {
      await turn();
      if (signal.aborted) return;
    } while (!removals.remove(task.id, EVENTS_AT_ONCE));
    this.#told.delete(task.id);
  }

  #tell(taskId: string, thrown: unknown): void {
    if (this.#stop.signal.aborted || this.#told.has(taskId)) return;
    this.#told.add(taskId);
    this.#options.logger.error(
      { taskId, err: messageOf(thrown) },
      'an old task could not be removed; it is tried again every hour',
    );
  }
}
