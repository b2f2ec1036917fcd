import { BridgeError, messageOf, toBridgeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EventLog } from '../tasks/event-log.ts';
import type { TaskError, TaskEventBody, TaskResult } from '../tasks/events.ts';
import { type Task, usedMs } from '../tasks/task.ts';
import { type Answer, type RequestRules, Requests } from './requests.ts';
import type { Prompt, Run, Runner, TurnOutcome } from './runner.ts';
import type { TaskFiles } from './task-files.ts';

const SUMMARY_LIMIT = 4_000;
const CONTINUE = 'You were interrupted. Go on with the task from where you stopped.';

export type Delivery = 'queue' | 'interrupt';

/** Why a task ends before its agent is done; the first reason stays. */
type Ending =
  | { kind: 'cancelled'; by: string; reason?: string | undefined }
  | { kind: 'timeout' }
  | { kind: 'stopped' };

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
  readonly #cut = Promise.withResolvers<void>();
  readonly #messages: { seq: number; text: string }[] = [];
  #run: Run | undefined;
  #ending: Ending | undefined;
  #resumed: PromiseWithResolvers<void> | undefined;
  #limit: NodeJS.Timeout | undefined;
  #toolsRan = false;
  #over = false;

  constructor(taskId: string, options: TaskRunOptions) {
    this.#id = taskId;
    this.#options = options;
    this.#requests = new Requests(
      options.requests,
      (requestId, answer) => this.#running('answer').answer(requestId, answer),
      (thrown) => this.#warn('REQUEST_UNANSWERED', thrown),
    );
    this.ended = this.#live();
  }

  get paused(): boolean {
    return this.#resumed !== undefined;
  }

  /** Ends the task as cancelled; resolves when it has ended. */
  async cancel(by: string, reason: string | undefined): Promise<void> {
    this.#append({ kind: 'control', control: 'cancel', by, reason });
    this.#end({ kind: 'cancelled', by, reason });
    await this.ended;
  }

  /** Ends the task because the bridge stops; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#end({ kind: 'stopped' });
    await this.ended;
  }

  async pause(by: string, reason: string | undefined): Promise<void> {
    if (this.#resumed) return;
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
    if (this.#over) return;
    clearTimeout(this.#limit);
    this.#append(...this.#requests.closeAll('pause'), { kind: 'paused' });
  }

  async resume(by: string, reason: string | undefined): Promise<void> {
    if (!this.#resumed) return;
    this.#append({ kind: 'control', control: 'resume', by, reason });
    await this.#run?.thaw?.();
    this.#append({ kind: 'resumed' });
    this.#arm();
    this.#release();
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
    const [event] = this.#append({
      kind: 'message',
      from,
      delivery,
      text,
      type,
    });
    if (event) this.#messages.push({ seq: event.seq, text });
    if (delivery !== 'interrupt' || this.#resumed) return;
    await run?.interrupt?.();
    this.#append(...this.#requests.closeAll('interruption'));
  }

  /** Answers a request of the agent's; throws REQUEST_CLOSED with who was first. */
  async answer(requestId: string, answer: Answer, by: string): Promise<void> {
    await this.#requests.answer(requestId, answer, by);
    const reply = answer.reply ?? (answer.answers ?? []).map((labels) => labels.join(', ')).join('; ');
    this.#emit({ kind: 'request_closed', request_id: requestId, by, reply });
  }

  async #live(): Promise<void> {
    this.#append({ kind: 'started' });
    this.#arm();
    let outcome: TurnOutcome | undefined;
    try {
      outcome = await Promise.race([this.#converse(), this.#cut.promise.then(() => undefined)]);
    } catch (thrown) {
      outcome = { kind: 'failed', summary: '', finish: 'error', error: this.#errorOf(thrown) };
    }
    this.#over = true;
    clearTimeout(this.#limit);
    const ending = this.#ending;
    const unsure = ending ? await this.#halt() : undefined;
    const result = await this.#result(outcome);
    this.#options.log.append(
      this.#id,
      ...this.#requests.closeAll('end of task'),
      ...(unsure ? [unsure] : []),
      this.#endEvent(ending, outcome, result),
    );
    this.#run?.close();
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
    const [run] = await Promise.all([runner.open(task, context), files.begin(task)]);
    this.#run = run;
    let prompt: Prompt | undefined = {
      text: task.description,
      key: `${task.id}:1`,
      record: (prompt_id) => this.#append({ kind: 'attached', session_id: run.sessionId, prompt_id }),
    };
    for (;;) {
      if (this.#ending) return { kind: 'interrupted', summary: '' };
      const outcome: TurnOutcome = await run.turn(prompt);
      await this.#resumed?.promise;
      const next = this.#nextPrompt(outcome);
      if (!next) return outcome;
      prompt = next;
    }
  }

  #nextPrompt(outcome: TurnOutcome): Prompt | undefined {
    if (this.#ending || outcome.kind === 'failed') return undefined;
    if (this.#messages.length === 0) {
      if (outcome.kind === 'completed') return undefined;
      const [event] = this.#append({ kind: 'message', from: 'system', delivery: 'queue', text: CONTINUE });
      this.#messages.push({ seq: event?.seq ?? 0, text: CONTINUE });
    }
    const messages = this.#messages.splice(0);
    const message_seqs = messages.map(({ seq }) => seq);
    return {
      text: messages.map(({ text }) => text).join('\n\n'),
      key: `${this.#id}:${message_seqs.join(',')}`,
      record: (prompt_id) => this.#append({ kind: 'message_sent', message_seqs, prompt_id }),
    };
  }

  #end(ending: Ending): void {
    if (this.#over) return;
    this.#ending ??= ending;
    this.#abort.abort();
    this.#cut.resolve();
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
  async #halt(): Promise<TaskEventBody | undefined> {
    try {
      await this.#run?.stop();
      return undefined;
    } catch (thrown) {
      this.#options.logger.error(
        { taskId: this.#id, err: messageOf(thrown) },
        'a task could not be stopped surely',
      );
      return { kind: 'warning', code: 'STOP_UNCONFIRMED', message: messageOf(thrown) };
    }
  }

  async #result(outcome: TurnOutcome | undefined): Promise<TaskResult> {
    const task = this.#task();
    const changes = await this.#options.files.finish(task, this.#toolsRan).catch((thrown) => {
      this.#warn('CHANGES_UNKNOWN', thrown);
      return [];
    });
    const summary = outcome?.summary ?? '';
    return {
      summary: summary.length > SUMMARY_LIMIT ? `${summary.slice(0, SUMMARY_LIMIT)}…` : summary,
      files_changed: changes.slice(0, 100),
      files_changed_total: changes.length,
      finish: outcome && 'finish' in outcome ? outcome.finish : 'interrupted',
    };
  }

  #endEvent(ending: Ending | undefined, outcome: TurnOutcome | undefined, result: TaskResult): TaskEventBody {
    if (ending?.kind === 'cancelled') {
      const { by, reason } = ending;
      return { kind: 'cancelled', by, result, reason };
    }
    if (ending?.kind === 'timeout') return { kind: 'timeout', error: timeoutError(this.#task()), result };
    if (ending?.kind === 'stopped') return { kind: 'failed', error: BRIDGE_STOPPED, result };
    if (outcome?.kind === 'completed') return { kind: 'completed', result };
    const error =
      outcome?.kind === 'failed'
        ? outcome.error
        : this.#errorOf(new Error('the run ended without an outcome'));
    return { kind: 'failed', error, result };
  }

  /** What the runner reports. Comes from event handlers, so it never throws. */
  #emit(...events: TaskEventBody[]): void {
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

  #append(...events: TaskEventBody[]) {
    return this.#over || events.length === 0 ? [] : this.#options.log.append(this.#id, ...events);
  }

  #warn(code: string, thrown: unknown): void {
    this.#options.logger.warn({ taskId: this.#id, err: messageOf(thrown) }, code);
    this.#emit({ kind: 'warning', code, message: messageOf(thrown) });
  }

  #running(what: 'answer'): Required<Pick<Run, 'answer'>> {
    const answer = this.#run?.answer?.bind(this.#run);
    if (answer) return { answer };
    throw new BridgeError('UNSUPPORTED', `Runner ${this.#options.runner.name} cannot do "${what}".`);
  }

  #refused(what: string, why: string, next: string): BridgeError {
    return new BridgeError('INVALID_STATE', `Task ${this.#id} cannot ${what}: ${why}.`, { next });
  }

  #errorOf(thrown: unknown): TaskError {
    const { code, message, next } = toBridgeError(thrown);
    if (code === 'INTERNAL')
      this.#options.logger.error({ taskId: this.#id, err: messageOf(thrown) }, 'a task failed');
    return { code, message, next };
  }

  #task(): Task {
    const task = this.#options.log.get(this.#id);
    if (!task) throw new BridgeError('TASK_NOT_FOUND', `There is no task "${this.#id}".`);
    return task;
  }
}

const BRIDGE_STOPPED: TaskError = {
  code: 'BRIDGE_STOPPED',
  message: 'The bridge was shut down while the task ran.',
  next: 'Continue with continue_task_id once the bridge is up again.',
};

function timeoutError({ limits }: Task): TaskError {
  return {
    code: 'TIMEOUT',
    message: `The task ran into its limit of ${limits.timeoutMs} ms.`,
    next: 'Continue with continue_task_id, with a larger timeout_ms if it needs one.',
  };
}
