import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError, messageOf, toBridgeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EventLog } from '../tasks/event-log.ts';
import type { FileChange, TaskError, TaskEvent, TaskEventBody } from '../tasks/events.ts';
import { type Task, usedMs } from '../tasks/task.ts';
import { Conversation, type RecoveryRules } from './conversation.ts';
import { type Ending, endEvent, overBudget, remarks, resultOf } from './ending.ts';
import { Hold } from './hold.ts';
import { type Recollection, recollect } from './recollection.ts';
import { type Answer, type RequestRules, Requests } from './requests.ts';
import type { Run, Runner, TurnOutcome } from './runner.ts';
import type { TaskFiles } from './task-files.ts';

/** How long the server is waited for to stop what an earlier process left running. */
const HALT_LIMIT_MS = 60_000;
/** How long a process that leaves waits for a decided end; then the next process comes to the same end. */
const LEAVE_LIMIT_MS = 5_000;
export type Delivery = 'queue' | 'interrupt';

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
  readonly #requests: Requests;
  readonly #abort = new AbortController();
  readonly #cut = Promise.withResolvers<undefined>();
  readonly #past: readonly TaskEvent[];
  /** What the log said when the run began. */
  readonly #memory: Recollection;
  readonly #conversation: Conversation;
  readonly #hold: Hold;
  #run: Run | undefined;
  #ending: Ending | undefined;
  #limit: NodeJS.Timeout | undefined;
  #toolsRan: boolean;
  #over = false;
  #left = false;

  constructor(taskId: string, options: TaskRunOptions) {
    this.#id = taskId;
    this.#options = options;
    this.#requests = new Requests({
      rules: options.requests,
      send: (requestId, answer) => this.#running('answer').answer(requestId, answer),
      onClosed: (event) => this.#emit(event),
      onFailure: (thrown) => this.#warn('REQUEST_UNANSWERED', thrown),
    });
    this.#hold = new Hold({
      taskId,
      run: () => this.#run,
      isOver: () => this.over,
      append: (...events) => this.#append(...events),
      onHeld: () => {
        clearTimeout(this.#limit);
        return this.#requests.closeAll('pause');
      },
      onResumed: () => this.#arm(),
    });
    this.#past = options.log.store.events(taskId, 0, Number.MAX_SAFE_INTEGER);
    this.#memory = recollect(this.#past);
    this.#conversation = new Conversation({
      taskId,
      memory: this.#memory,
      recovery: options.recovery,
      append: (...events) => this.#append(...events),
      resumed: () => this.#hold.released(),
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
  async leave(): Promise<void> {
    if (!this.over) {
      this.#left = true;
      this.#over = true;
      this.#cutOff();
    }
    await Promise.race([this.ended, sleep(LEAVE_LIMIT_MS, undefined, { ref: false })]);
    this.#left = true;
  }

  /** Does nothing to a task that is paused, or whose end is decided meanwhile. */
  pause(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#hold.pause(by, reason, ref);
  }

  /** Does nothing to a task that is not paused. */
  resume(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#hold.resume(by, reason, ref);
  }

  /** Hands a message to the agent: after its present turn, or by interrupting that. */
  async message(
    from: 'agent' | 'human',
    text: string,
    delivery: Delivery,
    marks: MessageMarks,
  ): Promise<void> {
    const run = this.#run;
    if (delivery === 'interrupt' && run && !run.interrupt) {
      const next = 'Send it with delivery "queue", or cancel the task.';
      throw new BridgeError('UNSUPPORTED', `Runner ${this.#options.runner.name} cannot be interrupted.`, {
        next,
      });
    }
    this.#conversation.say({ kind: 'message', from, delivery, text, ...marks });
    if (delivery !== 'interrupt' || this.#hold.on) return;
    await run?.interrupt?.();
    this.#append(...this.#requests.closeAll('interruption'));
  }

  /** Answers a request of the agent's; throws REQUEST_CLOSED with who was first. */
  answer(requestId: string, answer: Answer, by: string): Promise<void> {
    return this.#requests.answer(requestId, answer, by);
  }

  async #live(): Promise<void> {
    this.#begin();
    const outcome = await Promise.race([this.#converse(), this.#cut.promise]).catch((thrown) =>
      this.#failed(thrown),
    );
    this.#over = true;
    clearTimeout(this.#limit);
    try {
      const last = [...this.#requests.closeAll('end of task'), ...remarks(outcome)];
      if (this.#left) return;
      if (this.#ending) last.push(...(await this.#halt()));
      const changes = await this.#changes(last);
      if (this.#left) return;
      last.push(...this.#undelivered());
      const end = endEvent(this.#task(), this.#ending, outcome, resultOf(outcome, changes));
      this.#options.log.append(this.#id, ...last, end);
    } finally {
      this.#run?.close();
    }
  }

  /** Says that the task starts, or takes up its state where it has started before. */
  #begin(): void {
    const { status, requests } = this.#task();
    if (status === 'queued') {
      this.#append({ kind: 'started' });
      this.#arm();
      return;
    }
    const message = 'The bridge was restarted; it takes the task up where it was.';
    this.#append({ kind: 'warning', code: 'BRIDGE_RESTARTED', message });
    for (const request of requests) this.#requests.restore(request, this.#options.now());
    if (status === 'paused') this.#hold.restore();
    else this.#arm();
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
    return this.#conversation.hold(run);
  }

  #openRun(task: Task, signal: AbortSignal): Promise<Run> {
    const emit = (...events: TaskEventBody[]): void => this.#emit(...events);
    return this.#options.runner.open(task, { emit, past: this.#past, signal });
  }

  #opened(run: Run): Run {
    this.#run = run;
    if (this.#over) run.close();
    return run;
  }

  #end(ending: Ending): void {
    if (this.over) return;
    this.#ending = ending;
    this.#cutOff();
  }

  #cutOff(): void {
    this.#abort.abort();
    this.#cut.resolve(undefined);
    this.#hold.release();
  }

  /** Counts from the start of the task, pauses left out. */
  #arm(): void {
    const task = this.#task();
    const left = task.limits.timeoutMs - usedMs(task, this.#options.now());
    this.#limit = setTimeout(() => this.#end({ kind: 'timeout' }), Math.max(0, left));
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

  async #changes(warnings: TaskEventBody[]): Promise<FileChange[]> {
    try {
      return await this.#options.files.finish(this.#task(), this.#toolsRan, warnings);
    } catch (thrown) {
      warnings.push(this.#warning('CHANGES_UNKNOWN', thrown));
      return [];
    }
  }

  #undelivered(): TaskEventBody[] {
    const count = this.#conversation.unsaid;
    if (count === 0) return [];
    const message = `${count} of the messages to the agent did not reach it before the task ended.`;
    return [{ kind: 'warning', code: 'MESSAGE_UNDELIVERED', message }];
  }

  /** What the runner reports. Comes from event handlers, so it never throws. */
  #emit(...events: TaskEventBody[]): void {
    if (this.over) return;
    try {
      this.#append(...events.flatMap((event) => this.#seen(event)));
      this.#keepBudget();
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

  #seen(event: TaskEventBody): TaskEventBody[] {
    if (event.kind === 'tool') this.#toolsRan = true;
    if (event.kind === 'request_opened') return [this.#requests.opened(event.request, this.#options.now())];
    if (event.kind !== 'request_closed') return [event];
    const closed = this.#requests.closed(event);
    return closed ? [closed] : [];
  }

  #append(...events: TaskEventBody[]): TaskEvent[] {
    return this.#over || events.length === 0 ? [] : this.#options.log.append(this.#id, ...events);
  }

  #warn(code: string, thrown: unknown): void {
    this.#emit(this.#warning(code, thrown));
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
    const { code, message, next } = toBridgeError(thrown);
    if (code === 'INTERNAL')
      this.#options.logger.error({ taskId: this.#id, err: messageOf(thrown) }, 'a task failed');
    const error: TaskError = { code, message, next };
    return { kind: 'failed', summary: '', finish: 'error', error };
  }

  #task(): Task {
    const task = this.#options.log.get(this.#id);
    if (!task) throw new BridgeError('TASK_NOT_FOUND', `There is no task "${this.#id}".`);
    return task;
  }
}
