import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, toBridgeError } from '../errors.ts';
import type { Run, TurnOutcome } from '../runners/runner.ts';
import type { FileChange, TaskEventBody } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';
import { Conversation } from './conversation.ts';
import { discard } from './discard.ts';
import { type AnswerInput, InputRequests } from './input-requests.ts';
import { PauseController } from './pause-controller.ts';
import { type RecoveredState, replay } from './replay.ts';
import { RunHandle } from './run-handle.ts';
import { TaskRecorder } from './task-recorder.ts';
import type { MessageDelivery, MessageMarks, TaskRunOptions } from './task-run-options.ts';
import { endEvent, failedBy, remarks, resultOf, type TerminationReason, undelivered } from './termination.ts';
import { TimeLimit } from './time-limit.ts';

/** How long a detaching process waits for an end that is decided; the next process comes to the same end. */
const DETACH_LIMIT_MS = 5_000;

/**
 * One task from its start to its end: its turns, its time limit, messages, pauses, the way it ends. A run of a task
 * that an earlier process had started continues from its log.
 *
 *     queued ──started──▶ running ⇄ paused
 *                            ⇅
 *                     input_required
 *
 *     any of these ──▶ completed | failed | timeout | cancelled
 *
 * What ends a run is a race that the first wins: the last turn is over, or `#terminate` with a reason (cancel, time
 * limit, budget, external answer), or `detach`. From then on `over` is true and nothing is accepted. A detached run
 * writes no end: the next process continues the task.
 */
export class TaskRun {
  readonly ended: Promise<void>;
  readonly #options: TaskRunOptions;
  readonly #recorder: TaskRecorder;
  readonly #requests: InputRequests;
  readonly #abort = new AbortController();
  readonly #aborted = Promise.withResolvers<undefined>();
  readonly #recovered: RecoveredState;
  readonly #conversation: Conversation;
  readonly #pause: PauseController;
  readonly #run: RunHandle;
  readonly #limit = new TimeLimit(() => this.#terminate({ kind: 'timeout' }));
  #reason: TerminationReason | undefined;
  #detached = false;

  constructor(taskId: string, options: TaskRunOptions) {
    this.#options = options;
    const { log, logger, now } = options;
    this.#requests = new InputRequests({
      rules: options.requests,
      send: (requestId, answer) => this.#run.answerable().answer(requestId, answer),
      onClosed: (event) => this.#recorder.emit(event),
      recheck: async () => this.#run.current?.recheck?.(),
      onFailure: (thrown) => this.#recorder.emit(this.#recorder.warning('REQUEST_UNANSWERED', thrown)),
    });
    this.#pause = new PauseController({
      taskId,
      run: () => this.#run.current,
      isOver: () => this.over,
      append: (...events) => this.#recorder.append(...events),
      onHeld: () => {
        this.#limit.clear();
        return this.#requests.closeAll('pause');
      },
      onResumed: () => this.#armLimit(),
    });
    const past = log.store.events(taskId, 0, Number.MAX_SAFE_INTEGER);
    const emit = (...events: TaskEventBody[]): void => this.#recorder.emit(...events);
    this.#run = new RunHandle(options.runner, { emit, past });
    this.#recovered = replay(past);
    this.#recorder = new TaskRecorder(
      {
        ...{ taskId, log, logger, now, requests: this.#requests },
        isOver: () => this.over,
        isExclusive: () => this.#run.current?.exclusive === true,
        onTermination: (reason) => this.#terminate(reason),
      },
      past,
    );
    this.#conversation = new Conversation({
      taskId,
      recovered: this.#recovered,
      recovery: options.recovery,
      append: (...events) => this.#recorder.append(...events),
      resumed: () => this.#pause.released(),
      isOver: () => this.over,
      onLast: () => this.#recorder.seal(),
    });
    this.ended = this.#live();
  }

  get paused(): boolean {
    return this.#task.status === 'paused';
  }

  /** Whether the task's end is decided: it accepts nothing more. */
  get over(): boolean {
    return this.#recorder.sealed || this.#reason !== undefined;
  }

  /** Ends the task as cancelled; resolves when it has ended. */
  async cancel(by: string, reason: string | undefined, ref?: string): Promise<void> {
    if (!this.over) this.#recorder.append({ kind: 'control', control: 'cancel', by, reason, ref });
    this.#terminate({ kind: 'cancelled', by, reason });
    await this.ended;
  }

  /** Leaves the task as it is for the next process. An end that is decided has a while to be stored. */
  async detach(): Promise<void> {
    if (!this.over) {
      this.#detached = true;
      this.#recorder.seal();
      this.#abortRun();
    }
    await Promise.race([this.ended, sleep(DETACH_LIMIT_MS, undefined, { ref: false })]);
    this.#detached = true;
  }

  /** Has no effect on a task that is paused, or whose end is decided meanwhile. */
  pause(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#pause.pause(by, reason, ref);
  }

  /** Has no effect on a task that is not paused. */
  resume(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#pause.resume(by, reason, ref);
  }

  /** Sends a message to the agent: after its present turn, or by interrupting that turn. */
  async message(
    from: 'agent' | 'human',
    text: string,
    delivery: MessageDelivery,
    marks: MessageMarks,
  ): Promise<void> {
    if (delivery === 'interrupt') this.#run.requireInterruptible();
    const run = this.#run.current;
    this.#conversation.enqueue({ kind: 'message', from, delivery, text, ...marks });
    if (delivery !== 'interrupt' || this.#pause.on) return;
    await run?.interrupt?.();
    this.#recorder.append(...this.#requests.closeAll('interruption'));
  }

  /** Answers a request of the agent; throws REQUEST_CLOSED with who was first. */
  answer(requestId: string, answer: AnswerInput, by: string): Promise<void> {
    return this.#requests.answer(requestId, answer, by);
  }

  get #task(): Task {
    return this.#recorder.task;
  }

  async #live(): Promise<void> {
    this.#begin();
    const outcome = await Promise.race([this.#converse(), this.#aborted.promise]).catch((thrown) =>
      this.#failed(thrown),
    );
    this.#recorder.seal();
    this.#limit.clear();
    try {
      const last = [...this.#requests.closeAll('end of task'), ...remarks(outcome)];
      if (this.#detached) return;
      await this.#finish(outcome, last);
    } finally {
      this.#run.current?.close();
    }
  }

  /** Stops what runs, asks what changed, then stores the end with everything that belongs to it in one append. */
  async #finish(outcome: TurnOutcome | undefined, last: TaskEventBody[]): Promise<void> {
    const recorder = this.#recorder;
    if (this.#reason) last.push(...(await this.#stop()));
    const settled = this.#reason ? undefined : this.#run.current?.settle?.(outcome?.kind === 'completed');
    const left = settled ? await recorder.attempt(settled, 'STOP_UNCONFIRMED', last, []) : [];
    const finished = this.#options.files.finish(this.#task, recorder.toolsRan, last);
    const changes = await recorder.attempt<FileChange[]>(finished, 'CHANGES_UNKNOWN', last, []);
    if (this.#detached) return;
    last.push(...undelivered(this.#conversation.pending));
    recorder.end(...last, endEvent(this.#task, this.#reason, outcome, resultOf(outcome, changes, left)));
  }

  /** Starts the task, or restores its state if it has started before. */
  #begin(): void {
    const { status, requests, clock } = this.#task;
    const recorder = this.#recorder;
    if (status === 'queued') {
      recorder.append({ kind: 'started' });
      this.#armLimit();
      return;
    }
    const message = 'The bridge was restarted; it resumes the task from its log.';
    recorder.append({ kind: 'warning', code: 'BRIDGE_RESTARTED', message });
    for (const request of requests) this.#requests.restore(request, this.#options.now());
    if (clock.since !== undefined) this.#armLimit();
    else this.#pause.restore();
    // In logs of earlier versions a request could end a pause while the clock was stopped.
    if (this.#pause.on && status !== 'paused') recorder.append({ kind: 'paused' });
    if (this.#recovered.termination) this.#terminate(this.#recovered.termination);
    recorder.checkBudget();
  }

  #armLimit(): void {
    this.#limit.arm(this.#task, this.#options.now());
  }

  async #converse(): Promise<TurnOutcome> {
    const { files } = this.#options;
    const task = this.#task;
    await files.prepare(task);
    const [run] = await Promise.all([
      this.#run.open(task, this.#abort.signal).then((opened) => this.#opened(opened)),
      files.begin(task),
    ]);
    return this.#conversation.run(run);
  }

  #opened(run: Run): Run {
    if (this.#recorder.sealed) discard(run, this.#options.logger);
    this.#recorder.checkExternalAnswers();
    return run;
  }

  /** The first reason stays. */
  #terminate(reason: TerminationReason): void {
    if (this.over) return;
    this.#reason = reason;
    this.#abortRun();
  }

  #abortRun(): void {
    this.#abort.abort();
    this.#aborted.resolve(undefined);
    this.#pause.release();
  }

  /** Stops what runs, also of an earlier process; resolves with a warning if it may still run. */
  async #stop(): Promise<TaskEventBody[]> {
    try {
      await this.#run.stop(this.#task, this.#recovered.prompt !== undefined);
      return [];
    } catch (thrown) {
      return [this.#recorder.warning('STOP_UNCONFIRMED', thrown)];
    }
  }

  #failed(thrown: unknown): TurnOutcome {
    if (toBridgeError(thrown).code === 'INTERNAL')
      this.#options.logger.error({ taskId: this.#task.id, err: messageOf(thrown) }, 'a task failed');
    return failedBy(thrown);
  }
}
