import { BridgeError, messageOf, toBridgeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EventLog } from '../tasks/event-log.ts';
import type { FileChange, TaskError, TaskEvent, TaskEventBody } from '../tasks/events.ts';
import { type Task, usedMs } from '../tasks/task.ts';
import { type Ending, endEvent, remarks, resultOf } from './ending.ts';
import { type Answer, type RequestRules, Requests } from './requests.ts';
import type { Prompt, Run, Runner, TurnOutcome } from './runner.ts';
import type { TaskFiles } from './task-files.ts';

const CONTINUE = 'You were interrupted. Go on with the task from where you stopped.';
/** The description is said by the task's first event. */
const DESCRIPTION_SEQ = 1;

export type Delivery = 'queue' | 'interrupt';

export interface TaskRunOptions {
  runner: Runner;
  log: EventLog;
  files: TaskFiles;
  requests: RequestRules;
  logger: Logger;
  now: () => number;
}

/** One task from its start to its end: its turns, its limit, what is said to it meanwhile. */
export class TaskRun {
  readonly ended: Promise<void>;
  readonly #id: string;
  readonly #options: TaskRunOptions;
  readonly #requests: Requests;
  readonly #abort = new AbortController();
  readonly #cut = Promise.withResolvers<undefined>();
  /** What is to be said with the next prompt, by the event that says it. */
  readonly #unsaid: { seq: number; text: string }[];
  #run: Run | undefined;
  #ending: Ending | undefined;
  #resumed: PromiseWithResolvers<void> | undefined;
  #pausing: Promise<void> = Promise.resolve();
  #limit: NodeJS.Timeout | undefined;
  #toolsRan = false;
  #over = false;

  constructor(taskId: string, options: TaskRunOptions) {
    this.#id = taskId;
    this.#options = options;
    this.#requests = new Requests({
      rules: options.requests,
      send: (requestId, answer) => this.#running('answer').answer(requestId, answer),
      onClosed: (event) => this.#emit(event),
      onFailure: (thrown) => this.#warn('REQUEST_UNANSWERED', thrown),
    });
    this.#unsaid = [{ seq: DESCRIPTION_SEQ, text: this.#task().description }];
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
  async cancel(by: string, reason: string | undefined): Promise<void> {
    if (!this.over) this.#append({ kind: 'control', control: 'cancel', by, reason });
    this.#end({ kind: 'cancelled', by, reason });
    await this.ended;
  }

  /** Ends the task because the bridge stops; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#end({ kind: 'stopped' });
    await this.ended;
  }

  /** Does nothing to a task that is paused, or whose end is decided meanwhile. */
  pause(by: string, reason: string | undefined): Promise<void> {
    return this.#inTurn(() => this.#pause(by, reason));
  }

  /** Does nothing to a task that is not paused. */
  resume(by: string, reason: string | undefined): Promise<void> {
    return this.#inTurn(() => this.#resume(by, reason));
  }

  /** Hands a message to the agent: after its present turn, or by interrupting that. */
  async message(from: 'agent' | 'human', text: string, delivery: Delivery, type?: string): Promise<void> {
    const run = this.#run;
    if (delivery === 'interrupt' && run && !run.interrupt) {
      const next = 'Send it with delivery "queue", or cancel the task.';
      throw new BridgeError('UNSUPPORTED', `Runner ${this.#options.runner.name} cannot be interrupted.`, {
        next,
      });
    }
    this.#say({ kind: 'message', from, delivery, text, type });
    if (delivery !== 'interrupt' || this.#resumed) return;
    await run?.interrupt?.();
    this.#append(...this.#requests.closeAll('interruption'));
  }

  /** Answers a request of the agent's; throws REQUEST_CLOSED with who was first. */
  answer(requestId: string, answer: Answer, by: string): Promise<void> {
    return this.#requests.answer(requestId, answer, by);
  }

  /** One pause or resume at a time, in the order they came. */
  #inTurn(control: () => Promise<void>): Promise<void> {
    const done = this.#pausing.then(control);
    this.#pausing = done.catch(() => undefined);
    return done;
  }

  async #pause(by: string, reason: string | undefined): Promise<void> {
    if (this.over || this.#resumed) return;
    const run = this.#run;
    const hold = run?.freeze ?? run?.interrupt;
    if (!run || !hold) throw this.#refused('pause', 'it is only starting', 'Try again in a second.');
    this.#append({ kind: 'control', control: 'pause', by, reason });
    this.#resumed = Promise.withResolvers();
    try {
      await hold.call(run);
    } catch (thrown) {
      this.#release();
      throw thrown;
    }
    if (this.over) return;
    clearTimeout(this.#limit);
    this.#append(...this.#requests.closeAll('pause'), { kind: 'paused' });
  }

  async #resume(by: string, reason: string | undefined): Promise<void> {
    if (this.over || !this.#resumed) return;
    this.#append({ kind: 'control', control: 'resume', by, reason });
    await this.#run?.thaw?.();
    if (this.over) return;
    this.#append({ kind: 'resumed' });
    this.#arm();
    this.#release();
  }

  async #live(): Promise<void> {
    this.#append({ kind: 'started' });
    this.#arm();
    const outcome = await Promise.race([this.#converse(), this.#cut.promise]).catch((thrown) =>
      this.#failed(thrown),
    );
    this.#over = true;
    clearTimeout(this.#limit);
    try {
      const last = [...this.#requests.closeAll('end of task'), ...remarks(outcome)];
      if (this.#ending) last.push(...(await this.#halt()));
      const changes = await this.#changes(last);
      last.push(...this.#undelivered());
      const end = endEvent(this.#task(), this.#ending, outcome, resultOf(outcome, changes));
      this.#options.log.append(this.#id, ...last, end);
    } finally {
      this.#run?.close();
    }
  }

  /** Turn after turn until the agent is done and nobody has anything to add. */
  async #converse(): Promise<TurnOutcome> {
    const { runner, files } = this.#options;
    const task = this.#task();
    await files.prepare(task);
    const context = {
      emit: (...events: TaskEventBody[]) => this.#emit(...events),
      signal: this.#abort.signal,
    };
    const [run] = await Promise.all([
      runner.open(task, context).then((opened) => this.#opened(opened)),
      files.begin(task),
    ]);
    for (;;) {
      if (this.over) {
        run.close();
        return { kind: 'interrupted', summary: '' };
      }
      const outcome = await run.turn(this.#prompt(run));
      await this.#resumed?.promise;
      if (this.#isLast(outcome)) return outcome;
    }
  }

  #opened(run: Run): Run {
    this.#run = run;
    if (this.#over) run.close();
    return run;
  }

  /** Decides it for good: what is said from here on is refused. */
  #isLast(outcome: TurnOutcome): boolean {
    if (!this.over && outcome.kind === 'interrupted' && this.#unsaid.length === 0) {
      this.#say({ kind: 'message', from: 'system', delivery: 'queue', text: CONTINUE });
    }
    this.#over ||= this.over || outcome.kind === 'failed' || this.#unsaid.length === 0;
    return this.#over;
  }

  /** All that is unsaid; it stays so if the prompt never leaves. */
  #prompt(run: Run): Prompt {
    const saying = [...this.#unsaid];
    const seqs = saying.map(({ seq }) => seq);
    const record = (prompt_id: string): void => {
      this.#unsaid.splice(0, saying.length);
      const message_seqs = seqs.filter((seq) => seq !== DESCRIPTION_SEQ);
      if (message_seqs.length < seqs.length) {
        this.#append({ kind: 'attached', session_id: run.sessionId, prompt_id });
      }
      if (message_seqs.length > 0) this.#append({ kind: 'message_sent', message_seqs, prompt_id });
    };
    return { text: saying.map(({ text }) => text).join('\n\n'), key: `${this.#id}:${seqs.join()}`, record };
  }

  #say(message: Extract<TaskEventBody, { kind: 'message' }>): void {
    const [event] = this.#append(message);
    if (event) this.#unsaid.push({ seq: event.seq, text: message.text });
  }

  #end(ending: Ending): void {
    if (this.over) return;
    this.#ending = ending;
    this.#abort.abort();
    this.#cut.resolve(undefined);
    this.#release();
  }

  #release(): void {
    const resumed = this.#resumed;
    this.#resumed = undefined;
    resumed?.resolve();
  }

  /** Counts from the start of the task, pauses left out. */
  #arm(): void {
    const task = this.#task();
    const left = task.limits.timeoutMs - usedMs(task, this.#options.now());
    this.#limit = setTimeout(() => this.#end({ kind: 'timeout' }), Math.max(0, left));
  }

  /** Stops what runs; a warning where it is not sure that it has stopped. */
  async #halt(): Promise<TaskEventBody[]> {
    try {
      await this.#run?.stop();
      return [];
    } catch (thrown) {
      return [this.#warning('STOP_UNCONFIRMED', thrown)];
    }
  }

  async #changes(warnings: TaskEventBody[]): Promise<FileChange[]> {
    try {
      return await this.#options.files.finish(this.#task(), this.#toolsRan);
    } catch (thrown) {
      warnings.push(this.#warning('CHANGES_UNKNOWN', thrown));
      return [];
    }
  }

  #undelivered(): TaskEventBody[] {
    const count = this.#unsaid.filter(({ seq }) => seq !== DESCRIPTION_SEQ).length;
    if (count === 0) return [];
    const message = `${count} of the messages to the agent did not reach it before the task ended.`;
    return [{ kind: 'warning', code: 'MESSAGE_UNDELIVERED', message }];
  }

  /** What the runner reports. Comes from event handlers, so it never throws. */
  #emit(...events: TaskEventBody[]): void {
    if (this.over) return;
    try {
      this.#append(...events.flatMap((event) => this.#seen(event)));
    } catch (thrown) {
      this.#options.logger.error(
        { taskId: this.#id, err: messageOf(thrown) },
        'events of a task could not be stored',
      );
    }
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

  #refused(what: string, why: string, next: string): BridgeError {
    return new BridgeError('INVALID_STATE', `Task ${this.#id} cannot ${what}: ${why}.`, { next });
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
