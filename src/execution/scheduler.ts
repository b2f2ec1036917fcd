import { setImmediate as turn } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Task } from '../tasks/task.ts';
import { assertCapacity } from './admission.ts';
import type { ExecutionLimits } from './create-task-input.ts';
import { FairQueue } from './queue.ts';
import { type StartGate, warnOfGate } from './start-gate.ts';
import { taskLogger } from './task-logger.ts';
import { TaskRun } from './task-run.ts';
import type { TaskRunOptions } from './task-run-options.ts';

export interface SchedulerOptions extends TaskRunOptions {
  limits: ExecutionLimits;
  gate: StartGate;
}

/**
 * Decides which task runs when.
 *
 *     queued    schedule()     → running (not while the gate is closed)
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
    options.gate.onChange(() => this.#onGate());
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
    this.#onGate();
  }

  /** Throws QUEUE_FULL if the agent's next task could neither run nor wait. */
  assertCapacity(agentId: string): void {
    const { limits, gate } = this.#options;
    assertCapacity(limits, this.#busySlots(), this.#queue, agentId, gate.reason);
  }

  enqueue(agentId: string, taskId: string): void {
    this.#queue.add(agentId, taskId);
    warnOfGate(this.#options.log, taskId, this.#options.gate);
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

  /** Starts queued tasks while there are free slots and the gate is open. */
  schedule(): void {
    const { gate, limits } = this.#options;
    while (!this.#closing && gate.reason === undefined && this.#busySlots() < limits.maxConcurrent) {
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
    this.#logState(taskId, 'a task runs');
    run.ended.catch((thrown) => this.#onUnstored(taskId, thrown)).finally(() => this.#onEnd(taskId));
  }

  /** Tasks that run or wait are notified that the gate is closed; once it is open, those that wait may start. */
  #onGate(): void {
    if (this.#closing) return;
    const { gate, log } = this.#options;
    for (const taskId of [...this.#runs.keys(), ...this.#queue.ids()]) warnOfGate(log, taskId, gate);
    this.schedule();
  }

  /** A paused task uses no slot. */
  #busySlots(): number {
    return [...this.#runs.values()].filter((run) => !run.paused).length;
  }

  #onEnd(taskId: string): void {
    this.#runs.delete(taskId);
    this.#logState(taskId, 'a run of a task is over');
    this.schedule();
  }

  #logState(taskId: string, what: string): void {
    const { status, error } = this.#options.log.get(taskId) ?? {};
    taskLogger(this.#options, taskId).debug({ status, code: error?.code }, what);
  }

  #onUnstored(taskId: string, thrown: unknown): void {
    const logger = taskLogger(this.#options, taskId);
    logger.error({ err: messageOf(thrown) }, 'the end of a task could not be stored');
  }

  /** Resolves when all but the paused tasks have ended: those do not end by themselves. */
  async #allEnded(): Promise<void> {
    const working = [...this.#runs.values()].filter((run) => !run.paused);
    await Promise.allSettled(working.map((run) => run.ended));
  }
}
