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
  /** Called when tasks were hidden. */
  onHidden?: (() => void) | undefined;
  /** Ends the processes that still run in a folder before it is removed. */
  endProcesses?: ((directory: string) => Promise<void>) | undefined;
  /** Age after its end at which a task is removed; 0: never. */
  keepMs: number;
  /** How long an idempotency key is valid; a task is not removed before. */
  keyLifetimeMs: number;
  /** How long an event of a task is delivered to sinks. */
  deliveryMaxAgeMs: number;
  logger: Logger;
  now?: () => number;
  /** Time between the end of one sweep and the start of the next. */
  everyMs?: number;
}

/**
 * Removes tasks that ended long ago and those that their owner removes, with everything stored for them, in steps
 * between which the event loop runs. The states of a removal, the first of which is stored:
 *
 *   kept → hidden    no caller sees the task any more, its key is free, and no new task can be started in its folder
 *   hidden → cleared its snapshots are gone, and its folder where no other task uses it
 *   cleared → gone   its events, block, deliveries and row are gone
 *
 * A hidden task whose folder is used by another task stays hidden until that one is removed. A cleared task keeps its
 * record until the sinks have got its events, or no longer can. The next sweep completes a removal that waits, failed or
 * was interrupted.
 */
export class Retention {
  readonly #options: Required<Omit<RetentionOptions, 'endProcesses' | 'onHidden'>> & RetentionOptions;
  readonly #stop = new AbortController();
  /** Tasks whose failure was logged. */
  readonly #reported = new Set<string>();
  /** Removals that run, by task: a second one of the same task joins the first. */
  readonly #running = new Map<string, Promise<void>>();
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
    await Promise.allSettled(this.#running.values());
  }

  /**
   * Removes a task that has ended. It is hidden before the first step of this call ends. Resolves once its folder is
   * gone; what cannot be removed now is logged, and removed by a later sweep.
   */
  async remove(taskId: string): Promise<void> {
    // The folder is decided about in the step that hides the task, as in a sweep.
    const task = this.#hide(taskId);
    if (!task) return this.#running.get(taskId);
    await this.#once(task, () => this.#clear(task, this.#options.removals.folder(task)));
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
        if (!this.#running.has(task.id)) await this.#once(task, () => this.#removeKept(task));
      }
      last = page.at(-1);
    } while (last);
  }

  /** Runs the removal unless one of the task runs already; a failure is logged once for each task. */
  #once(task: EndedTask, work: () => Promise<void>): Promise<void> {
    const running =
      this.#running.get(task.id) ??
      work()
        .catch((thrown) => this.#report(task.id, thrown))
        .finally(() => this.#running.delete(task.id));
    this.#running.set(task.id, running);
    return running;
  }

  #hide(taskId: string): EndedTask | undefined {
    const task = this.#options.removals.hide(taskId);
    this.#options.onHidden?.();
    return task;
  }

  /** Removes a task of a sweep, unless its folder is in use. */
  async #removeKept(task: EndedTask): Promise<void> {
    const folder = this.#options.removals.folder(task);
    if (folder === 'wait') return;
    this.#hide(task.id);
    await this.#clear(task, folder);
  }

  async #clear(task: EndedTask, folder: ReturnType<TaskRemovals['folder']>): Promise<void> {
    const { removals, files } = this.#options;
    const { signal } = this.#stop;
    if (folder === 'remove') await this.#options.endProcesses?.(task.directory);
    await files.remove(task, folder !== 'remove', signal);
    if (folder === 'wait' || this.#isAwaited(task)) return;
    do {
      await turn();
      if (signal.aborted) return;
    } while (!removals.remove(task.id, EVENTS_AT_ONCE));
    this.#reported.delete(task.id);
  }

  /** Whether sinks may still get events of the task. After the last event is given up they get a call to clean up. */
  #isAwaited({ id, endedAt }: EndedTask): boolean {
    const { removals, now, deliveryMaxAgeMs } = this.#options;
    return now() - endedAt < 2 * deliveryMaxAgeMs && removals.hasOpenDeliveries(id);
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
