import { BridgeError, messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EventLog } from '../store/event-log.ts';
import type { InputRequest, TaskEvent, TaskEventBody } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';
import { answeredExternally, externalAnswerWarning, terminationByExternalAnswer } from './external-answer.ts';
import type { InputRequests } from './input-requests.ts';
import type { TaskLive } from './live/live-feeds.ts';
import { overBudget, type TerminationReason } from './termination.ts';

export interface TaskRecorderOptions {
  taskId: string;
  log: EventLog;
  live: Pick<TaskLive, 'finish'>;
  logger: Logger;
  now: () => number;
  requests: InputRequests;
  /** Whether the task's end is decided: the runner's events no longer count. */
  isOver: () => boolean;
  /** Whether the run is on a server that only the bridge may use. */
  isExclusive: () => boolean;
  /** Called when an event shows that the task must end. */
  onTermination: (reason: TerminationReason) => void;
}

/**
 * Writes the events of one task to its log, and terminates the task for what they show: its budget is exceeded, or
 * an answer is forged.
 */
export class TaskRecorder {
  readonly #options: TaskRecorderOptions;
  /** Requests that somebody other than the bridge answered. */
  readonly #answeredExternally: InputRequest[];
  #toolsRan = false;
  #sealed = false;

  constructor(options: TaskRecorderOptions, past: readonly TaskEvent[]) {
    this.#options = options;
    this.#answeredExternally = answeredExternally(past);
    this.#toolsRan = past.some(({ kind }) => kind === 'tool');
  }

  /** Whether the agent has used a tool. */
  get toolsRan(): boolean {
    return this.#toolsRan;
  }

  get task(): Task {
    const { log, taskId } = this.#options;
    const task = log.get(taskId);
    if (!task) throw new BridgeError('TASK_NOT_FOUND', `There is no task "${taskId}".`);
    return task;
  }

  /** From now on only `end` writes. */
  seal(): void {
    this.#sealed = true;
  }

  get sealed(): boolean {
    return this.#sealed;
  }

  /** Stores events of the bridge; nothing once sealed. */
  append(...events: TaskEventBody[]): TaskEvent[] {
    const { log, taskId } = this.#options;
    return this.#sealed || events.length === 0 ? [] : log.append(taskId, ...events);
  }

  /** Stores the last events of the task. */
  end(...events: TaskEventBody[]): void {
    this.#options.log.append(this.#options.taskId, ...events);
  }

  /** Stores events of the runner. Called from event handlers, so it never throws. */
  emit(...events: TaskEventBody[]): void {
    const { isOver, live, logger } = this.#options;
    if (isOver()) return;
    try {
      live.finish(events);
      this.append(...events.flatMap((event) => this.#observe(event)));
      // After the append: usage that ends the task is in its log.
      this.checkBudget();
      this.checkExternalAnswers();
    } catch (thrown) {
      logger.error({ err: messageOf(thrown) }, 'events of a task could not be stored');
    }
  }

  checkBudget(): void {
    const error = overBudget(this.task);
    if (error) this.#options.onTermination({ kind: 'budget', error });
  }

  checkExternalAnswers(): void {
    const { requests, isExclusive, onTermination } = this.#options;
    if (!isExclusive()) return;
    const reason = terminationByExternalAnswer(this.#answeredExternally, (request) =>
      requests.isAsked(request),
    );
    if (reason) onTermination(reason);
  }

  /** A warning for the log of the task; also logged by the bridge. */
  warning(code: string, thrown: unknown): TaskEventBody {
    this.#options.logger.warn({ err: messageOf(thrown) }, code);
    return { kind: 'warning', code, message: messageOf(thrown) };
  }

  /** The result of the work; if it fails, `fallback`, and a warning is added to `warnings`. */
  async attempt<T>(work: Promise<T>, code: string, warnings: TaskEventBody[], fallback: T): Promise<T> {
    return work.catch((thrown) => {
      warnings.push(this.warning(code, thrown));
      return fallback;
    });
  }

  /** An event as it is stored: requests with deadlines, closed requests with who closed them. */
  #observe(event: TaskEventBody): TaskEventBody[] {
    const { requests, now } = this.#options;
    if (event.kind === 'tool') this.#toolsRan = true;
    if (event.kind === 'request_opened') return [requests.opened(event.request, now())];
    if (event.kind !== 'request_closed') return [event];
    const closed = requests.closed(event);
    const request = this.task.requests.find(({ id }) => id === event.request_id);
    const warning = request && closed && externalAnswerWarning(request, closed);
    if (!warning) return closed ? [closed] : [];
    this.#answeredExternally.push(request);
    return [closed, warning];
  }
}
