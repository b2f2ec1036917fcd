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
  /** Ends the processes that still run in a folder before it is removed. */
  endProcesses?: ((directory: string) => Promise<void>) | undefined;
  /** Age after its end at which a task is removed; 0: never. */
  keepMs: number;
  /** How long an idempotency key is valid; a task is not removed before. */
  keyLifetimeMs: number;
  logger: Logger;
  now?: () => number;
  /** Time between the end of one sweep and the start of the next. */
  everyMs?: number;
}

/**
 * Removes tasks that ended long ago, with everything stored for them, in steps between which the event loop runs.
 * A task is hidden first and its row is removed last, so the next sweep completes a removal that failed or was
 * interrupted.
 */
export class Retention {
  readonly #options: Required<Omit<RetentionOptions, 'endProcesses'>> & RetentionOptions;
  readonly #stop = new AbortController();
  /** Tasks whose failure was logged. */
  readonly #reported = new Set<string>();
  #rounds: Promise<void> = Promise.resolve();

  constructor(options: RetentionOptions) {
    this.#options = { now: Date.now, everyMs: HOUR_MS, ...options };
  }

  /** Sweeps now and then every hour, until closed. */
  start(): void {
    this.#rounds = this.#repeat();
  }

  /** Resolves when the current step is done. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#rounds;
  }

  /** Removes all tasks that are due. */
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
        logger.error({ err: messageOf(thrown) }, 'the search for old tasks failed'),
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
        await this.#remove(task).catch((thrown) => this.#report(task.id, thrown));
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
    this.#reported.delete(task.id);
  }

  #report(taskId: string, thrown: unknown): void {
    if (this.#stop.signal.aborted || this.#reported.has(taskId)) return;
    this.#reported.add(taskId);
    this.#options.logger.error(
      { taskId, err: messageOf(thrown) },
      'an old task could not be removed; the removal is retried every hour',
    );
  }
}
