import { BridgeError, quote } from '../errors.ts';
import type { DependencyHealth } from '../health.ts';
import type { Logger } from '../logger.ts';
import type { Runner } from '../runners/runner.ts';
import type { EventLog } from '../store/event-log.ts';
import type { ChangedTasks, TaskPage, TaskQuery } from '../store/task-store.ts';
import type { EventOf, TaskEvent } from '../tasks/events.ts';
import type { FollowItem } from '../tasks/live-frame.ts';
import { isEnd, type Task, type TaskStatus } from '../tasks/task.ts';
import type { TaskFiles } from '../workspaces/task-files.ts';
import type { AnswerInput } from './answer-input.ts';
import type { RecoveryRules } from './conversation.ts';
import type { CreateTaskInput, ExecutionLimits } from './create-task-input.ts';
import { alreadyAnswered, type RequestRules } from './input-requests.ts';
import { type Accepted, ownTask, TaskIntake } from './intake.ts';
import { listTasks } from './list-tasks.ts';
import { LiveFeeds } from './live/live-feeds.ts';
import { Scheduler } from './scheduler.ts';
import type { TaskRun } from './task-run.ts';
import type { MessageDelivery, MessageMarks } from './task-run-options.ts';

export interface ExecutionManagerOptions {
  runner: Runner;
  log: EventLog;
  files: TaskFiles;
  limits: ExecutionLimits;
  requests: RequestRules;
  recovery: RecoveryRules;
  logger: Logger;
  now?: () => number;
}

/**
 * Accepts tasks, controls and reads them. Its reads are asynchronous, so that a store may be remote.
 */
export class ExecutionManager {
  readonly #options: Required<ExecutionManagerOptions>;
  readonly #live: LiveFeeds;
  readonly #scheduler: Scheduler;
  readonly #intake: TaskIntake;

  constructor(options: ExecutionManagerOptions) {
    this.#options = { now: Date.now, ...options };
    this.#live = new LiveFeeds(options.log);
    this.#scheduler = new Scheduler({ ...this.#options, live: this.#live });
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

  /** The caller's task; throws TASK_NOT_FOUND, for another agent's task too. */
  async find(agentId: string, taskId: string): Promise<Task> {
    return ownTask(this.#options.log, agentId, taskId);
  }

  /** A task of any agent; undefined if there is none. */
  async get(taskId: string): Promise<Task | undefined> {
    return this.#options.log.get(taskId);
  }

  /** An agent's tasks, newest first. A search may return fewer than `limit`, even none, and a `next`. */
  list(query: TaskQuery): Promise<TaskPage> {
    return listTasks(this.#options.log.store, query);
  }

  /** The tasks of all agents that have not ended, oldest first. */
  async unfinished(): Promise<Task[]> {
    return this.#options.log.store.unfinished();
  }

  /** Whether an OpenCode session belongs to a task, running or ended. */
  async hasSession(sessionId: string): Promise<boolean> {
    return this.#options.log.store.hasSession(sessionId);
  }

  /** Counted from 1; undefined for a task that is not queued. */
  async queuePosition(taskId: string): Promise<number | undefined> {
    return this.#scheduler.position(taskId);
  }

  /** Up to `limit` events of a task after `afterSeq`. */
  async events(task: Task, afterSeq: number, limit: number): Promise<TaskEvent[]> {
    return this.#options.log.store.events(task.id, afterSeq, limit);
  }

  /** The event that closed a request of a task, if it is closed. */
  async closedRequest(taskId: string, requestId: string): Promise<EventOf<'request_closed'> | undefined> {
    return this.#options.log.store.closedRequest(taskId, requestId);
  }

  follow(task: Task, afterSeq: number, signal: AbortSignal): AsyncGenerator<TaskEvent, void, void> {
    return this.#options.log.follow(task.id, afterSeq, signal);
  }

  /** The position of the newest event of all tasks. */
  async position(): Promise<number> {
    return this.#options.log.store.lastPosition();
  }

  /** The agent's tasks that change after a position; changes within `everyMs` come together. */
  followTasks(
    agentId: string,
    position: number,
    everyMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<ChangedTasks, void, void> {
    return this.#options.log.followTasks(agentId, position, everyMs, signal);
  }

  /** As `follow`, and the live text of unfinished parts from now on, which is not stored. */
  followLive(task: Task, afterSeq: number, signal: AbortSignal): AsyncGenerator<FollowItem, void, void> {
    return this.#live.follow(task.id, afterSeq, signal);
  }

  get files(): TaskFiles {
    return this.#options.files;
  }

  /** Whether the task's log has a message or control with this `ref`: then it is not executed again. */
  async hasRef(task: Task, ref: string): Promise<boolean> {
    return this.#hasRef(task, ref);
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

  /** How many tasks run, how many are queued, and how many have each status. */
  async metrics(): Promise<{
    running: number;
    queued: number;
    byStatus: Partial<Record<TaskStatus, number>>;
  }> {
    const { running, queued } = this.#scheduler;
    return { running, queued, byStatus: this.#options.log.store.countByStatus() };
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

function ended(task: Task, what: string): BridgeError {
  return new BridgeError(
    'INVALID_STATE',
    `Task ${task.id} has ended as ${task.status} and cannot accept "${what}".`,
    { reason: { kind: 'task_ended', taskId: task.id } },
  );
}
