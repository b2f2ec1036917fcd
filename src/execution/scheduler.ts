import { setImmediate as turn } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Task } from '../tasks/task.ts';
import { assertCapacity } from './admission.ts';
import type { ExecutionLimits } from './create-task-input.ts';
import { FairQueue } from './queue.ts';
import { TaskRun } from './task-run.ts';
import type { TaskRunOptions } from './task-run-options.ts';

export interface SchedulerOptions extends TaskRunOptions {
  limits: ExecutionLimits;
}

/**
 * Decides which task runs when.
 *
 *     queued    schedule()     → running
 *     queued    remove()       → forgotten
 *     running   the run ends   → forgotten
 *
 * A running task that is paused frees its slot; on resume it runs at once, even if all slots are taken.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #queue = new FairQueue();
  readonly #runs = new Map<string, TaskRun>();
  #closing = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Whether no more tasks start. */
  get closing(): boolean {
    return this.#closing;
  }

  get running(): number {
    return this.#runs.size;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** The queued task that waits the longest. */
  get oldestQueued(): string | undefined {
    return this.#queue.oldest;
  }

  /** Continues the tasks of an earlier process: started tasks run again one by one, queued ones keep their order. */
  async recover(unfinished: readonly Task[]): Promise<void> {
    for (const { id, status } of unfinished) {
      if (status === 'queued') continue;
      if (this.#closing) return;
      this.#start(id);
      await turn();
    }
    for (const { id, agentId, status } of unfinished) if (status === 'queued') this.#queue.add(agentId, id);
    this.schedule();
  }

  /** Throws QUEUE_FULL if the agent's next task could neither run nor wait. */
  assertCapacity(agentId: string): void {
    assertCapacity(this.#options.limits, this.#busySlots(), this.#queue, agentId);
  }

  enqueue(agentId: string, taskId: string): void {
    this.#queue.add(agentId, taskId);
    this.schedule();
  }

  /** Removes a task from the queue; returns whether it was there. */
  remove(taskId: string): boolean {
    return this.#queue.remove(taskId);
  }

  /** Counted from 1; undefined for a task that is not queued. */
  position(taskId: string): number | undefined {
    return this.#queue.position(taskId);
  }

  run(taskId: string): TaskRun | undefined {
    return this.#runs.get(taskId);
  }

  /** Starts queued tasks while there are free slots. */
  schedule(): void {
    while (!this.#closing && this.#busySlots() < this.#options.limits.maxConcurrent) {
      const taskId = this.#queue.next();
      if (taskId === undefined) return;
      this.#start(taskId);
    }
  }

  /** Starts no more tasks, waits up to `graceMs` for running ones, then detaches them for the next process. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    const { promise: graceOver, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, graceMs);
    await Promise.race([this.#allEnded(), graceOver]);
    clearTimeout(timer);
    await Promise.allSettled([...this.#runs.values()].map((run) => run.detach()));
  }

  #start(taskId: string): void {
    const run = new TaskRun(taskId, this.#options);
    this.#runs.set(taskId, run);
    run.ended.catch((thrown) => this.#onUnstored(taskId, thrown)).finally(() => this.#onEnd(taskId));
  }

  /** A paused task uses no slot. */
  #busySlots(): number {
    return [...this.#runs.values()].filter((run) => !run.paused).length;
  }

  #onEnd(taskId: string): void {
    this.#runs.delete(taskId);
    this.schedule();
  }

  #onUnstored(taskId: string, thrown: unknown): void {
    this.#options.logger.error({ taskId, err: messageOf(thrown) }, 'the end of a task could not be stored');
  }

  /** Resolves when all but the paused tasks have ended: those do not end by themselves. */
  async #allEnded(): Promise<void> {
    const working = [...this.#runs.values()].filter((run) => !run.paused);
    await Promise.allSettled(working.map((run) => run.ended));
  }
}
