import { BridgeError, quote } from '../errors.ts';
import type { Runner } from '../runners/runner.ts';
import type { EventLog } from '../store/event-log.ts';
import { newTaskId } from '../tasks/ids.ts';
import type { Task, TaskOwner } from '../tasks/task.ts';
import type { TaskFiles } from '../workspaces/task-files.ts';
import { type Acceptance, createdEvent } from './acceptance.ts';
import { isForeign, repeatedTask, requireContinuable, requireKept } from './admission.ts';
import { type CreateTaskInput, type ExecutionLimits, fingerprint, validate } from './create-task-input.ts';
import { requireModelConfig } from './model-config.ts';
import type { Scheduler } from './scheduler.ts';

/** In which a bridge that stops is usually back. */
const RESTART_SECONDS = 60;

export interface Accepted {
  task: Task;
  /** Counted from 1; absent for a task that does not wait. */
  queuePosition?: number | undefined;
  /** Whether this is an earlier task with the same idempotency key. */
  repeated: boolean;
}

export interface TaskIntakeOptions {
  runner: Runner;
  log: EventLog;
  files: TaskFiles;
  limits: ExecutionLimits;
  now: () => number;
}

/** Accepts tasks: checks an input, stores it as a task and enqueues the task. */
export class TaskIntake {
  readonly #options: TaskIntakeOptions;
  readonly #scheduler: Scheduler;

  constructor(options: TaskIntakeOptions, scheduler: Scheduler) {
    this.#options = options;
    this.#scheduler = scheduler;
  }

  /** Checks the input, then stores and enqueues it. A refused input stores nothing. */
  async execute(agentId: string, input: CreateTaskInput): Promise<Accepted> {
    this.#requireOpen();
    validate(input, this.#options.limits);
    const hash = fingerprint(input);
    const repeated = this.#repeated(agentId, input, hash);
    if (repeated) return repeated;
    const previous = this.#continued(agentId, input);
    const id = newTaskId(this.#options.now());
    const { files, log, runner } = this.#options;
    const directory = previous
      ? { path: previous.directory, ours: previous.ownsDirectory }
      : await files.resolve(id, input.directory, (path) => isForeign(log.store, agentId, path));
    // A new folder does not exist yet; what is configured for all of them is.
    const asked = directory.ours && !previous ? files.workspaceDir : directory.path;
    await requireModelConfig(runner, input, previous, asked);
    return (
      this.#repeated(agentId, input, hash) ??
      this.#accept({
        ...{ id, agentId, input, fingerprint: hash, directory },
        // Again: during the check another call may have continued it.
        previous: this.#continued(agentId, input),
      })
    );
  }

  #repeated(agentId: string, input: CreateTaskInput, hash: string): Accepted | undefined {
    const { log, now } = this.#options;
    const task = repeatedTask(log.store, agentId, input.idempotencyKey, hash, now());
    return task && { task, queuePosition: this.#scheduler.position(task.id), repeated: true };
  }

  #continued(agentId: string, { continueTaskId, directory }: CreateTaskInput): Task | undefined {
    if (continueTaskId === undefined) return undefined;
    const { log, runner } = this.#options;
    return requireContinuable(log.store, ownTask(log, agentId, continueTaskId), directory, runner.name);
  }

  /**
   * Folder, capacity, create and queue. Synchronous on purpose, and called in the same step as the last check of the
   * idempotency key: no other call can run in between, so a key never creates two tasks, no limit is exceeded, and a
   * removal sees either this task in the folder or none.
   */
  #accept(accepted: Acceptance): Accepted {
    this.#requireOpen();
    const { id, agentId, directory, previous } = accepted;
    const { limits, runner, log } = this.#options;
    if (!previous && !directory.ours) requireKept(log.store, directory.path);
    this.#scheduler.assertCapacity(agentId);
    log.create(id, createdEvent(accepted, runner.name, limits), accepted.fingerprint);
    this.#scheduler.enqueue(agentId, id);
    return {
      task: ownTask(log, agentId, id),
      queuePosition: this.#scheduler.position(id),
      repeated: false,
    };
  }

  #requireOpen(): void {
    if (!this.#scheduler.closing) return;
    const next = 'Try again in a minute, with the same idempotency_key.';
    throw new BridgeError('SHUTTING_DOWN', 'The bridge is shutting down and accepts no new tasks.', {
      next,
      retryAfterSeconds: RESTART_SECONDS,
    });
  }
}

/** The agent's task; throws TASK_NOT_FOUND, for another agent's task too. */
export function ownTask(log: EventLog, agentId: TaskOwner, taskId: string): Task {
  const task = log.get(taskId);
  if (task && (agentId === undefined || task.agentId === agentId)) return task;
  const missing = agentId === undefined ? 'There is' : `Agent ${quote(agentId)} has`;
  throw new BridgeError('TASK_NOT_FOUND', `${missing} no task ${quote(taskId)}.`);
}
