import { BridgeError, quote } from '../errors.ts';
import type { DependencyHealth } from '../health.ts';
import type { Logger } from '../logger.ts';
import type { Runner } from '../runners/runner.ts';
import type { EventLog } from '../store/event-log.ts';
import { isEnd, type Task, type TaskOwner, type TaskStatus } from '../tasks/task.ts';
import type { Retention } from '../workspaces/retention.ts';
import type { TaskFiles } from '../workspaces/task-files.ts';
import type { AnswerInput } from './answer-input.ts';
import type { RecoveryRules } from './conversation.ts';
import type { CreateTaskInput, ExecutionLimits } from './create-task-input.ts';
import { alreadyAnswered, type RequestRules } from './input-requests.ts';
import { type Accepted, TaskIntake } from './intake.ts';
import { LiveFeeds } from './live/live-feeds.ts';
import { Scheduler } from './scheduler.ts';
import { OPEN_GATE, type StartGate } from './start-gate.ts';
import { type TaskOptions, taskOptions } from './task-options.ts';
import { TaskReads } from './task-reads.ts';
import type { TaskRun } from './task-run.ts';
import type { MessageDelivery, MessageMarks } from './task-run-options.ts';
import { tokensSpent } from './termination.ts';

export interface ExecutionManagerOptions {
  runner: Runner;
  log: EventLog;
  files: TaskFiles;
  limits: ExecutionLimits;
  requests: RequestRules;
  recovery: RecoveryRules;
  removal: Pick<Retention, 'remove'>;
  /** Absent: tasks start whenever there is a free slot. */
  gate?: StartGate;
  logger: Logger;
  now?: () => number;
}

/** Accepts tasks, controls them, and reads them by the methods of `TaskReads`. */
export class ExecutionManager extends TaskReads {
  readonly #options: Required<ExecutionManagerOptions>;
  readonly #live: LiveFeeds;
  readonly #scheduler: Scheduler;
  readonly #intake: TaskIntake;

  constructor(options: ExecutionManagerOptions) {
    const live = new LiveFeeds(options.log);
    super(options.log, live);
    this.#live = live;
    this.#options = { now: Date.now, gate: OPEN_GATE, ...options };
    this.#scheduler = new Scheduler({ ...this.#options, live });
    this.#intake = new TaskIntake(this.#options, this.#scheduler);
  }

  /** Continues the tasks of an earlier process: started tasks first, then those in the queue. */
  async recover(): Promise<void> {
    await this.#scheduler.recover(this.#options.log.store.unfinished());
  }

  /** Stores the input as a task, and starts it if there is a free slot. A refused input stores nothing. */
  execute(agentId: string, input: CreateTaskInput): Promise<Accepted> {
    return this.#intake.execute(agentId, input);
  }

  /** What a new task of the owner can be given. Throws INVALID_INPUT for a directory that is not allowed. */
  options(owner: TaskOwner, directory: string | undefined): Promise<TaskOptions> {
    return taskOptions(this.#options, owner, directory);
  }

  /** Counted from 1; undefined for a task that is not queued. */
  async queuePosition(taskId: string): Promise<number | undefined> {
    return this.#scheduler.position(taskId);
  }

  get files(): TaskFiles {
    return this.#options.files;
  }

  /** Cancels a task. Succeeds for a cancelled task; throws INVALID_STATE for any other end. */
  async cancel(task: Task, by: string, reason: string | undefined, ref?: string): Promise<Task> {
    const run = this.#scheduler.run(task.id);
    if (run) await run.cancel(by, reason, ref);
    else if (this.#scheduler.remove(task.id)) {
      this.#options.log.append(
        task.id,
        { kind: 'control', control: 'cancel', by, reason, ref },
        { kind: 'cancelled', by, reason },
      );
    }
    const after = this.#current(task);
    if (after.status !== 'cancelled') throw ended(after, 'cancel');
    return after;
  }

  /** Ends a running task for the tokens that its providers have counted. */
  endOverBudget(taskId: string, tokens: number): void {
    const task = this.#options.log.get(taskId);
    const run = this.#scheduler.run(taskId);
    if (task) run?.terminate({ kind: 'budget', error: tokensSpent(task, tokens) });
  }

  async pause(task: Task, by: string, reason: string | undefined, ref?: string): Promise<Task> {
    if (this.#isExecuted(task, 'pause', ref)) return this.#current(task);
    await (this.#open(task) ?? (await this.#refuse(task, 'pause'))).pause(by, reason, ref);
    if (this.#current(task).status !== 'paused' && !this.#open(task)) await this.#refuse(task, 'pause');
    this.#scheduler.schedule();
    return this.#current(task);
  }

  /** The task runs at once, even if all slots are taken. */
  async resume(task: Task, by: string, reason: string | undefined, ref?: string): Promise<Task> {
    if (this.#isExecuted(task, 'resume', ref)) return this.#current(task);
    await (this.#open(task) ?? (await this.#refuse(task, 'resume'))).resume(by, reason, ref);
    return this.#current(task);
  }

  async message(
    task: Task,
    from: 'agent' | 'human',
    text: string,
    delivery: MessageDelivery,
    marks: MessageMarks = {},
  ): Promise<Task> {
    if (text.trim() === '')
      throw new BridgeError('INVALID_INPUT', '`message` is empty; write what the agent should do.');
    if (this.#hasRef(task, marks.ref)) return this.#current(task);
    await (this.#open(task) ?? (await this.#refuse(task, 'message'))).message(from, text, delivery, marks);
    return this.#current(task);
  }

  async answer(task: Task, requestId: string, answer: AnswerInput, by: string): Promise<Task> {
    const closed = this.#options.log.store.closedRequest(task.id, requestId);
    if (closed) throw alreadyAnswered(requestId, closed.by, closed.reply);
    await (this.#open(task) ?? (await this.#refuse(task, 'answer'))).answer(requestId, answer, by);
    return this.#current(task);
  }

  /**
   * Removes a task that has ended, with its folder if the bridge made it. No caller sees it any more once this resolves.
   * Removing it twice is the same as once; throws INVALID_STATE for a task that has not ended.
   */
  async remove(task: Task): Promise<void> {
    const now = this.#options.log.get(task.id);
    if (now && !isEnd(now.status)) throw notEnded(now);
    const run = this.#scheduler.run(task.id);
    if (run) await run.ended.catch(() => {}); // the scheduler logs it
    await this.#options.removal.remove(task.id);
  }

  /** How many tasks run, how many are queued, and how many have each status. */
  async metrics(): Promise<{
    running: number;
    queued: number;
    maxQueued: number;
    /** When the task that waits the longest was accepted, epoch milliseconds. */
    queuedSince?: number | undefined;
    byStatus: Partial<Record<TaskStatus, number>>;
  }> {
    const { log, limits } = this.#options;
    const { running, queued, oldestQueued } = this.#scheduler;
    const queuedSince = oldestQueued === undefined ? undefined : log.get(oldestQueued)?.createdAt;
    const byStatus = log.store.countByStatus();
    return { running, queued, maxQueued: limits.maxQueued, queuedSince, byStatus };
  }

  health(): DependencyHealth[] {
    return this.#options.runner.health();
  }

  /** Accepts no more tasks, waits up to `graceMs` for running ones, then detaches them for the next process. */
  async close(graceMs: number): Promise<void> {
    await this.#scheduler.close(graceMs);
    this.#live.close();
    await this.#options.files.close();
  }

  #hasRef(task: Task, ref: string | undefined): boolean {
    return ref !== undefined && this.#options.log.store.hasRef(task.id, ref);
  }

  /** Whether the control with this `ref` was executed; one that a crash interrupted was not. */
  #isExecuted(task: Task, control: 'pause' | 'resume', ref: string | undefined): boolean {
    if (!this.#hasRef(task, ref)) return false;
    const { status } = this.#current(task);
    const last = this.#options.log.store.lastControl(task.id);
    const superseded = last !== undefined && last.ref !== ref;
    return isEnd(status) || superseded || (status === 'paused') === (control === 'pause');
  }

  /** The run of a task whose end is not decided. Synchronous: no other call can run between check and act. */
  #open(task: Task): TaskRun | undefined {
    const run = this.#scheduler.run(task.id);
    return run?.over ? undefined : run;
  }

  /** Throws why a task cannot accept a call; if it is about to end, waits for the end first. */
  async #refuse(task: Task, what: string): Promise<never> {
    await this.#scheduler.run(task.id)?.ended;
    const now = this.#current(task);
    if (isEnd(now.status)) throw ended(now, what);
    throw new BridgeError(
      'INVALID_STATE',
      `Task ${task.id} is still queued and cannot accept "${what}" yet.`,
      { reason: { kind: 'task_queued', taskId: task.id } },
    );
  }

  #current({ id }: Task): Task {
    const task = this.#options.log.get(id);
    if (!task) throw new BridgeError('TASK_NOT_FOUND', `There is no task ${quote(id)}.`);
    return task;
  }
}

function notEnded({ id, status }: Task): BridgeError {
  const text = `Task ${id} is ${status} and cannot be removed before it has ended.`;
  return new BridgeError('INVALID_STATE', text, { reason: { kind: 'task_not_ended', taskId: id } });
}

function ended(task: Task, what: string): BridgeError {
  return new BridgeError(
    'INVALID_STATE',
    `Task ${task.id} has ended as ${task.status} and cannot accept "${what}".`,
    { reason: { kind: 'task_ended', taskId: task.id } },
  );
}
