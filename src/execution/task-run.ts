import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError, messageOf, toBridgeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Run, Runner, TurnOutcome } from '../runners/runner.ts';
import type { EventLog } from '../store/event-log.ts';
import type { FileChange, InputRequest, TaskEvent, TaskEventBody } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';
import type { TaskFiles } from '../workspaces/task-files.ts';
import { Conversation, type RecoveryRules } from './conversation.ts';
import { discard } from './discard.ts';
import { answeredExternally, externalAnswerWarning, terminationByExternalAnswer } from './external-answer.ts';
import { type AnswerInput, InputRequests, type RequestRules } from './input-requests.ts';
import { PauseController } from './pause-controller.ts';
import { type RecoveredState, replay } from './replay.ts';
import {
  endEvent,
  failedBy,
  overBudget,
  remarks,
  resultOf,
  type TerminationReason,
  undelivered,
} from './termination.ts';
import { TimeLimit } from './time-limit.ts';

/** How long the server is waited for to stop what an earlier process left running. */
const HALT_LIMIT_MS = 60_000;
/** How long a process that leaves waits for a decided end; then the next process comes to the same end. */
const LEAVE_LIMIT_MS = 5_000;
export type MessageDelivery = 'queue' | 'interrupt';

/** What else is kept with a message. */
export interface MessageMarks {
  type?: string | undefined;
  /** The outside message that it came from. */
  ref?: string | undefined;
}

export interface TaskRunOptions {
  runner: Runner;
  log: EventLog;
  files: TaskFiles;
  requests: RequestRules;
  recovery: RecoveryRules;
  logger: Logger;
  now: () => number;
}

/**
 * One task from its start to its end: its turns, its limit, what is said to it meanwhile. Where its log shows
 * that an earlier process had begun with it, it is taken up where that left it.
 */
export class TaskRun {
  readonly ended: Promise<void>;
  readonly #id: string;
  readonly #options: TaskRunOptions;
  readonly #requests: InputRequests;
  readonly #abort = new AbortController();
  readonly #cut = Promise.withResolvers<undefined>();
  readonly #past: readonly TaskEvent[];
  /** What the log said when the run began. */
  readonly #memory: RecoveredState;
  /** Requests that somebody answered past the bridge. */
  readonly #answeredOutside: InputRequest[];
  readonly #conversation: Conversation;
  readonly #pause: PauseController;
  #run: Run | undefined;
  #ending: TerminationReason | undefined;
  readonly #limit = new TimeLimit(() => this.#end({ kind: 'timeout' }));
  #toolsRan: boolean;
  #over = false;
  #left = false;

  constructor(taskId: string, options: TaskRunOptions) {
    this.#id = taskId;
    this.#options = options;
    this.#requests = new InputRequests({
      rules: options.requests,
      send: (requestId, answer) => this.#running('answer').answer(requestId, answer),
      onClosed: (event) => this.#emit(event),
      recheck: async () => this.#run?.recheck?.(),
      onFailure: (thrown) => this.#emit(this.#warning('REQUEST_UNANSWERED', thrown)),
    });
    this.#pause = new PauseController({
      taskId,
      run: () => this.#run,
      isOver: () => this.over,
      append: (...events) => this.#append(...events),
      onHeld: () => {
        this.#limit.clear();
        return this.#requests.closeAll('pause');
      },
      onResumed: () => this.#limit.arm(this.#task(), this.#options.now()),
    });
    this.#past = options.log.store.events(taskId, 0, Number.MAX_SAFE_INTEGER);
    this.#answeredOutside = answeredExternally(this.#past);
    this.#memory = replay(this.#past);
    this.#conversation = new Conversation({
      taskId,
      memory: this.#memory,
      recovery: options.recovery,
      append: (...events) => this.#append(...events),
      resumed: () => this.#pause.released(),
      isOver: () => this.over,
      onLast: () => {
        this.#over = true;
      },
    });
    this.#toolsRan = this.#memory.toolsRan;
    this.ended = this.#live();
  }

  get paused(): boolean {
    return this.#task().status === 'paused';
  }

  /** Whether the task's end is decided: it takes nothing more. */
  get over(): boolean {
    return this.#over || this.#ending !== undefined;
  }

  /** Ends the task as cancelled; resolves when it has ended. */
  async cancel(by: string, reason: string | undefined, ref?: string): Promise<void> {
    if (!this.over) this.#append({ kind: 'control', control: 'cancel', by, reason, ref });
    this.#end({ kind: 'cancelled', by, reason });
    await this.ended;
  }

  /** Lets go of the task as it is, for a later process to take up; an end that is decided has a while to be told. */
  async detach(): Promise<void> {
    if (!this.over) {
      this.#left = true;
      this.#over = true;
      this.#abortRun();
    }
    await Promise.race([this.ended, sleep(LEAVE_LIMIT_MS, undefined, { ref: false })]);
    this.#left = true;
  }

  /** Does nothing to a task that is paused, or whose end is decided meanwhile. */
  pause(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#pause.pause(by, reason, ref);
  }

  /** Does nothing to a task that is not paused. */
  resume(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#pause.resume(by, reason, ref);
  }

  /** Hands a message to the agent: after its present turn, or by interrupting that. */
  async message(
    from: 'agent' | 'human',
    text: string,
    delivery: MessageDelivery,
    marks: MessageMarks,
  ): Promise<void> {
    const run = this.#run;
    if (delivery === 'interrupt' && run && !run.interrupt) {
      const next = 'Send it with delivery "queue", or cancel the task.';
      throw new BridgeError('UNSUPPORTED', `Runner ${this.#options.runner.name} cannot be interrupted.`, {
        next,
      });
    }
    this.#conversation.enqueue({ kind: 'message', from, delivery, text, ...marks });
    if (delivery !== 'interrupt' || this.#pause.on) return;
    await run?.interrupt?.();
    this.#append(...this.#requests.closeAll('interruption'));
  }

  /** Answers a request of the agent's; throws REQUEST_CLOSED with who was first. */
  answer(requestId: string, answer: AnswerInput, by: string): Promise<void> {
    return this.#requests.answer(requestId, answer, by);
  }

  async #live(): Promise<void> {
    this.#begin();
    const outcome = await Promise.race([this.#converse(), this.#cut.promise]).catch((thrown) =>
      this.#failed(thrown),
    );
    this.#over = true;
    this.#limit.clear();
    try {
      const last = [...this.#requests.closeAll('end of task'), ...remarks(outcome)];
      if (this.#left) return;
      if (this.#ending) last.push(...(await this.#halt()));
      const settled = this.#ending ? undefined : this.#run?.settle?.(outcome?.kind === 'completed');
      const left = settled ? await this.#tried(settled, 'STOP_UNCONFIRMED', last, []) : [];
      const finished = this.#options.files.finish(this.#task(), this.#toolsRan, last);
      const changes = await this.#tried<FileChange[]>(finished, 'CHANGES_UNKNOWN', last, []);
      if (this.#left) return;
      last.push(...undelivered(this.#conversation.pending));
      const end = endEvent(this.#task(), this.#ending, outcome, resultOf(outcome, changes, left));
      this.#options.log.append(this.#id, ...last, end);
    } finally {
      this.#run?.close();
    }
  }

  /** Says that the task starts, or takes up its state where it has started before. */
  #begin(): void {
    const { status, requests, clock } = this.#task();
    if (status === 'queued') {
      this.#append({ kind: 'started' });
      this.#limit.arm(this.#task(), this.#options.now());
      return;
    }
    const message = 'The bridge was restarted; it takes the task up where it was.';
    this.#append({ kind: 'warning', code: 'BRIDGE_RESTARTED', message });
    for (const request of requests) this.#requests.restore(request, this.#options.now());
    if (clock.since !== undefined) this.#limit.arm(this.#task(), this.#options.now());
    else this.#pause.restore();
    // In logs of earlier versions a request could take a task out of its pause while its clock stood.
    if (this.#pause.on && status !== 'paused') this.#append({ kind: 'paused' });
    if (this.#memory.ending) this.#end(this.#memory.ending);
    this.#keepBudget();
  }

  async #converse(): Promise<TurnOutcome> {
    const { files } = this.#options;
    const task = this.#task();
    await files.prepare(task);
    const [run] = await Promise.all([
      this.#openRun(task, this.#abort.signal).then((opened) => this.#opened(opened)),
      files.begin(task),
    ]);
    return this.#conversation.run(run);
  }

  #openRun(task: Task, signal: AbortSignal): Promise<Run> {
    const emit = (...events: TaskEventBody[]): void => this.#emit(...events);
    return this.#options.runner.open(task, { emit, past: this.#past, signal });
  }

  #opened(run: Run): Run {
    this.#run = run;
    if (this.#over) discard(run, this.#options.logger);
    this.#keepAsking();
    return run;
  }

  #end(ending: TerminationReason): void {
    if (this.over) return;
    this.#ending = ending;
    this.#abortRun();
  }

  #abortRun(): void {
    this.#abort.abort();
    this.#cut.resolve(undefined);
    this.#pause.release();
  }

  /** Stops what runs, also of an earlier process; a warning where it is not sure that it has stopped. */
  async #halt(): Promise<TaskEventBody[]> {
    try {
      if (this.#memory.prompt)
        this.#run ??= await this.#openRun(this.#task(), AbortSignal.timeout(HALT_LIMIT_MS));
      await this.#run?.stop();
      return [];
    } catch (thrown) {
      return [this.#warning('STOP_UNCONFIRMED', thrown)];
    }
  }

  /** What the work answers; where it fails, a warning and `otherwise`. */
  async #tried<T>(work: Promise<T>, code: string, warnings: TaskEventBody[], otherwise: T): Promise<T> {
    return work.catch((thrown) => {
      warnings.push(this.#warning(code, thrown));
      return otherwise;
    });
  }

  /** What the runner reports. Comes from event handlers, so it never throws. */
  #emit(...events: TaskEventBody[]): void {
    if (this.over) return;
    try {
      this.#append(...events.flatMap((event) => this.#seen(event)));
      this.#keepBudget();
      this.#keepAsking();
    } catch (thrown) {
      this.#options.logger.error(
        { taskId: this.#id, err: messageOf(thrown) },
        'events of a task could not be stored',
      );
    }
  }

  #keepBudget(): void {
    const error = overBudget(this.#task());
    if (error) this.#end({ kind: 'budget', error });
  }

  #keepAsking(): void {
    if (!this.#run?.exclusive) return;
    const ending = terminationByExternalAnswer(this.#answeredOutside, (request) =>
      this.#requests.isAsked(request),
    );
    if (ending) this.#end(ending);
  }

  #seen(event: TaskEventBody): TaskEventBody[] {
    if (event.kind === 'tool') this.#toolsRan = true;
    if (event.kind === 'request_opened') return [this.#requests.opened(event.request, this.#options.now())];
    if (event.kind !== 'request_closed') return [event];
    const closed = this.#requests.closed(event);
    const request = this.#task().requests.find(({ id }) => id === event.request_id);
    const warning = request && closed && externalAnswerWarning(request, closed);
    if (!warning) return closed ? [closed] : [];
    this.#answeredOutside.push(request);
    return [closed, warning];
  }

  #append(...events: TaskEventBody[]): TaskEvent[] {
    return this.#over || events.length === 0 ? [] : this.#options.log.append(this.#id, ...events);
  }

  #warning(code: string, thrown: unknown): TaskEventBody {
    this.#options.logger.warn({ taskId: this.#id, err: messageOf(thrown) }, code);
    return { kind: 'warning', code, message: messageOf(thrown) };
  }

  #running(what: 'answer'): Required<Pick<Run, 'answer'>> {
    const answer = this.#run?.answer?.bind(this.#run);
    if (answer) return { answer };
    throw new BridgeError('UNSUPPORTED', `Runner ${this.#options.runner.name} cannot do "${what}".`);
  }

  #failed(thrown: unknown): TurnOutcome {
    if (toBridgeError(thrown).code === 'INTERNAL')
      this.#options.logger.error({ taskId: this.#id, err: messageOf(thrown) }, 'a task failed');
    return failedBy(thrown);
  }

  #task(): Task {
    const task = this.#options.log.get(this.#id);
    if (!task) throw new BridgeError('TASK_NOT_FOUND', `There is no task "${this.#id}".`);
    return task;
  }
}
