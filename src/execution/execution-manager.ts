import { setImmediate as turn } from 'node:timers/promises';
import { BridgeError, messageOf, quote } from '../errors.ts';
import type { DependencyHealth } from '../health.ts';
import type { Logger } from '../logger.ts';
import type { Runner } from '../runners/runner.ts';
import type { EventLog } from '../store/event-log.ts';
import type { TaskEvent } from '../tasks/events.ts';
import { newTaskId } from '../tasks/ids.ts';
import { isEnd, type Task, type TaskStatus } from '../tasks/task.ts';
import type { TaskFiles } from '../workspaces/task-files.ts';
import { type Acceptance, createdEvent } from './acceptance.ts';
import { assertCapacity, isForeign, repeatedTask, requireContinuable } from './admission.ts';
import type { RecoveryRules } from './conversation.ts';
import { type CreateTaskInput, type ExecutionLimits, fingerprint, validate } from './create-task-input.ts';
import { type AnswerInput, alreadyAnswered, type RequestRules } from './input-requests.ts';
import { FairQueue } from './queue.ts';
import { type MessageDelivery, type MessageMarks, TaskRun } from './task-run.ts';

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

export interface Accepted {
  task: Task;
  /** Counted from 1; absent for a task that does not wait. */
  queuePosition?: number | undefined;
  /** Whether an earlier task with the same idempotency key is answered. */
  repeated: boolean;
}

/** Accepts tasks, runs them in fair order within the limits, and is the way to every task there is. */
export class ExecutionManager {
  readonly #options: Required<ExecutionManagerOptions>;
  readonly #queue = new FairQueue();
  readonly #runs = new Map<string, TaskRun>();
  #closing = false;

  constructor(options: ExecutionManagerOptions) {
    this.#options = { now: Date.now, ...options };
  }

  /** Takes up what an earlier process left: what ran goes on, task by task, then what waited waits on. */
  async recover(): Promise<void> {
    const left = Map.groupBy(this.#options.log.store.unfinished(), ({ status }) => status === 'queued');
    for (const { id } of left.get(false) ?? []) {
      if (this.#closing) return;
      this.#run(id);
      await turn();
    }
    for (const { id, agentId } of left.get(true) ?? []) this.#queue.add(agentId, id);
    this.#schedule();
  }

  /** Stores the order as a task, and starts it if there is room. Refuses without a trace. */
  async execute(agentId: string, order: CreateTaskInput): Promise<Accepted> {
    this.#requireOpen();
    validate(order, this.#options.limits);
    const print = fingerprint(order);
    const repeated = this.#repeated(agentId, order, print);
    if (repeated) return repeated;
    const before = this.#continued(agentId, order);
    const id = newTaskId(this.#options.now());
    const { files, log } = this.#options;
    const directory = before
      ? { path: before.directory, ours: before.ownsDirectory }
      : await files.resolve(id, order.directory, (path) => isForeign(log.store, agentId, path));
    return (
      this.#repeated(agentId, order, print) ?? this.#accept({ id, agentId, order, print, directory, before })
    );
  }

  /** The caller's task; somebody else's does not exist for them. */
  find(agentId: string, taskId: string): Task {
    const task = this.#options.log.get(taskId);
    if (task && task.agentId === agentId) return task;
    throw new BridgeError('TASK_NOT_FOUND', `Agent ${quote(agentId)} has no task ${quote(taskId)}.`);
  }

  list(agentId: string, status: TaskStatus | undefined, limit: number, before: string | undefined): Task[] {
    return this.#options.log.store.list({ agentId, status, limit, before });
  }

  /** Whether a session of OpenCode is one of a task, be it running or ended. */
  hasSession(sessionId: string): boolean {
    return this.#options.log.store.hasSession(sessionId);
  }

  queuePosition(taskId: string): number | undefined {
    return this.#queue.position(taskId);
  }

  /** A page of a task's events behind `afterSeq`. */
  events(task: Task, afterSeq: number, limit: number): TaskEvent[] {
    return this.#options.log.store.events(task.id, afterSeq, limit);
  }

  follow(task: Task, afterSeq: number, signal: AbortSignal): AsyncGenerator<TaskEvent, void, void> {
    return this.#options.log.follow(task.id, afterSeq, signal);
  }

  get files(): TaskFiles {
    return this.#options.files;
  }

  /** Whether a message or control of the task came from this outside message; such a one is not taken again. */
  hasRef(task: Task, ref: string | undefined): boolean {
    return ref !== undefined && this.#options.log.store.hasRef(task.id, ref);
  }

  /** Ends a task; one that has ended as cancelled stays so, any other end is told as an error. */
  async cancel(task: Task, by: string, reason: string | undefined, ref?: string): Promise<Task> {
    const run = this.#runs.get(task.id);
    if (run) await run.cancel(by, reason, ref);
    else if (this.#queue.remove(task.id)) {
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
    if (this.#isDone(task, 'pause', ref)) return this.#current(task);
    await (this.#open(task) ?? (await this.#tooLate(task, 'pause'))).pause(by, reason, ref);
    if (this.#current(task).status !== 'paused' && !this.#open(task)) await this.#tooLate(task, 'pause');
    this.#schedule();
    return this.#current(task);
  }

  /** Goes on at once, even where that is one task more than run otherwise. */
  async resume(task: Task, by: string, reason: string | undefined, ref?: string): Promise<Task> {
    if (this.#isDone(task, 'resume', ref)) return this.#current(task);
    await (this.#open(task) ?? (await this.#tooLate(task, 'resume'))).resume(by, reason, ref);
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
      throw new BridgeError('INVALID_INPUT', '`message` is empty; say what the agent should do.');
    if (this.hasRef(task, marks.ref)) return this.#current(task);
    const run = this.#open(task) ?? (await this.#tooLate(task, 'message'));
    await run.message(from, text, delivery, marks);
    return this.#current(task);
  }

  async answer(task: Task, requestId: string, answer: AnswerInput, by: string): Promise<Task> {
    const closed = this.#options.log.store.closedRequest(task.id, requestId);
    if (closed) throw alreadyAnswered(requestId, closed.by, closed.reply);
    await (this.#open(task) ?? (await this.#tooLate(task, 'answer'))).answer(requestId, answer, by);
    return this.#current(task);
  }

  /** How many tasks run, wait, and have ended how. */
  metrics(): { running: number; queued: number; byStatus: Partial<Record<TaskStatus, number>> } {
    const byStatus = this.#options.log.store.countByStatus();
    return { running: this.#runs.size, queued: this.#queue.size, byStatus };
  }

  health(): DependencyHealth[] {
    return this.#options.runner.health();
  }

  /** Takes no more tasks, lets running ones go on for `graceMs`, then leaves them for the next process to take up. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    const { promise: graceOver, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, graceMs);
    await Promise.race([this.#allEnded(), graceOver]);
    clearTimeout(timer);
    await Promise.allSettled([...this.#runs.values()].map((run) => run.detach()));
    await this.#options.files.close();
  }

  /** A paused task would not end however long one waits. */
  async #allEnded(): Promise<void> {
    const working = [...this.#runs.values()].filter((run) => !run.paused);
    await Promise.allSettled(working.map((run) => run.ended));
  }

  #repeated(agentId: string, order: CreateTaskInput, print: string): Accepted | undefined {
    const { log, now } = this.#options;
    const task = repeatedTask(log.store, agentId, order.idempotencyKey, print, now());
    return task && { task, queuePosition: this.#queue.position(task.id), repeated: true };
  }

  #continued(agentId: string, { continueTaskId, directory }: CreateTaskInput): Task | undefined {
    if (continueTaskId === undefined) return undefined;
    const { log, runner } = this.#options;
    return requireContinuable(log.store, this.find(agentId, continueTaskId), directory, runner.name);
  }

  #accept(accepted: Acceptance): Accepted {
    this.#requireOpen();
    const { id, agentId, print } = accepted;
    const { limits, runner, log } = this.#options;
    assertCapacity(limits, this.#busy(), this.#queue, agentId);
    log.create(id, createdEvent(accepted, runner.name, limits), print);
    this.#queue.add(agentId, id);
    this.#schedule();
    return { task: this.#task(id), queuePosition: this.#queue.position(id), repeated: false };
  }

  #schedule(): void {
    while (!this.#closing && this.#busy() < this.#options.limits.maxConcurrent) {
      const taskId = this.#queue.next();
      if (taskId === undefined) return;
      this.#run(taskId);
    }
  }

  #run(taskId: string): void {
    const run = new TaskRun(taskId, this.#options);
    this.#runs.set(taskId, run);
    run.ended.catch((thrown) => this.#onLost(taskId, thrown)).finally(() => this.#onEnd(taskId));
  }

  /** A paused task leaves its place to another. */
  #busy(): number {
    return [...this.#runs.values()].filter((run) => !run.paused).length;
  }

  #onEnd(taskId: string): void {
    this.#runs.delete(taskId);
    this.#schedule();
  }

  #onLost(taskId: string, thrown: unknown): void {
    this.#options.logger.error({ taskId, err: messageOf(thrown) }, 'the end of a task could not be stored');
  }

  #requireOpen(): void {
    if (!this.#closing) return;
    const next = 'Try again in a minute, with the same idempotency_key.';
    throw new BridgeError('SHUTTING_DOWN', 'The bridge is shutting down and takes no new tasks.', { next });
  }

  /** Whether the control of an outside message is carried out; one that was cut off by a crash is not. */
  #isDone(task: Task, control: 'pause' | 'resume', ref: string | undefined): boolean {
    if (!this.hasRef(task, ref)) return false;
    const { status } = this.#current(task);
    const last = this.#options.log.store.lastControl(task.id);
    const superseded = last !== undefined && last.ref !== ref;
    return isEnd(status) || superseded || (status === 'paused') === (control === 'pause');
  }

  /** The run of a task that can still take something. */
  #open(task: Task): TaskRun | undefined {
    const run = this.#runs.get(task.id);
    return run?.over ? undefined : run;
  }

  /** Says why a task can take nothing; of one that is about to end, once it is known how. */
  async #tooLate(task: Task, what: string): Promise<never> {
    await this.#runs.get(task.id)?.ended;
    const now = this.#current(task);
    if (isEnd(now.status)) throw ended(now, what);
    throw new BridgeError(
      'INVALID_STATE',
      `Task ${task.id} waits in the queue and cannot take "${what}" yet.`,
      { reason: { kind: 'task_queued', taskId: task.id } },
    );
  }

  #current(task: Task): Task {
    return this.#task(task.id);
  }

  #task(taskId: string): Task {
    const task = this.#options.log.get(taskId);
    if (!task) throw new BridgeError('TASK_NOT_FOUND', `There is no task ${quote(taskId)}.`);
    return task;
  }
}

function ended(task: Task, what: string): BridgeError {
  return new BridgeError(
    'INVALID_STATE',
    `Task ${task.id} has ended as ${task.status} and cannot take "${what}".`,
    { reason: { kind: 'task_ended', taskId: task.id } },
  );
}
