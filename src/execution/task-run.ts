import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, toBridgeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Run, TurnOutcome } from '../runners/runner.ts';
import type { TaskEventBody } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';
import type { AnswerInput } from './answer-input.ts';
import { collectResult } from './collect-result.ts';
import { Conversation } from './conversation.ts';
import { discard } from './discard.ts';
import { InputRequests } from './input-requests.ts';
import { PauseController } from './pause-controller.ts';
import { type RecoveredState, replay } from './replay.ts';
import { RunHandle } from './run-handle.ts';
import { taskLogger } from './task-logger.ts';
import { TaskRecorder } from './task-recorder.ts';
import type { MessageDelivery, MessageMarks, TaskRunOptions } from './task-run-options.ts';
import { endEvent, failedBy, type TerminationReason, undelivered, warningsOf } from './termination.ts';
import { TimeLimit } from './time-limit.ts';

/** How long a detaching process waits until a decided end is stored; otherwise the next process stores it. */
const DETACH_LIMIT_MS = 5_000;

/**
 * One task from its start to its end: turns, time limit, messages, pauses, termination. The run of a task that an
 * earlier process started continues from its log.
 *
 *     queued           started                    → running
 *     running          request_opened             → input_required
 *     input_required   last open request_closed   → running
 *     running, input_required   paused            → paused
 *     paused           resumed                    → running, or input_required if a request is open
 *     any of these     the end                    → completed | failed | timeout | cancelled
 *
 * The first of these ends a run: the last turn is over, `terminate` gets a reason (cancel, time limit, budget,
 * external answer), or `detach`. From then on `over` is true and the run accepts nothing. A detached run stores no
 * end: the next process continues the task.
 */
export class TaskRun {
  readonly ended: Promise<void>;
  readonly #options: TaskRunOptions;
  readonly #logger: Logger;
  readonly #recorder: TaskRecorder;
  readonly #requests: InputRequests;
  readonly #abort = new AbortController();
  readonly #aborted = Promise.withResolvers<undefined>();
  readonly #recovered: RecoveredState;
  readonly #conversation: Conversation;
  readonly #pause: PauseController;
  readonly #run: RunHandle;
  readonly #limit = new TimeLimit(() => this.terminate({ kind: 'timeout' }));
  #reason: TerminationReason | undefined;
  #detached = false;

  constructor(taskId: string, options: TaskRunOptions) {
    this.#options = options;
    const { log, now } = options;
    this.#logger = taskLogger(options, taskId);
    this.#requests = new InputRequests({
      rules: options.requests,
      send: async (requestId, answer) => (await this.#run.answerable()).answer(requestId, answer),
      onClosed: (event) => this.#recorder.emit(event),
      recheck: async () => this.#run.current?.recheck?.(),
      onFailure: (thrown) => this.#recorder.emit(this.#recorder.warning('REQUEST_UNANSWERED', thrown)),
    });
    this.#pause = new PauseController({
      taskId,
      run: () => this.#run.current,
      isOver: () => this.over,
      append: (...events) => this.#recorder.append(...events),
      onPaused: () => {
        this.#limit.clear();
        return this.#requests.closeAll('pause');
      },
      onResumed: () => this.#armLimit(),
    });
    const past = log.store.events(taskId, 0, Number.MAX_SAFE_INTEGER);
    const emit = (...events: TaskEventBody[]): void => this.#recorder.emit(...events);
    const live = options.live.of(taskId, () => this.over);
    this.#run = new RunHandle(options.runner, { emit, past, live });
    this.#recovered = replay(past);
    this.#recorder = new TaskRecorder(
      {
        ...{ taskId, log, live, now, logger: this.#logger, requests: this.#requests },
        isOver: () => this.over,
        isExclusive: () => this.#run.current?.exclusive === true,
        onTermination: (reason) => this.terminate(reason),
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
    this.ended = this.#execute();
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
    this.terminate({ kind: 'cancelled', by, reason });
    await this.ended;
  }

  /** Stops work on the task without ending it, for the next process. A decided end gets a while to be stored. */
  async detach(): Promise<void> {
    if (!this.over) {
      this.#detached = true;
      this.#recorder.seal();
      this.#abortRun();
    }
    await Promise.race([this.ended, sleep(DETACH_LIMIT_MS, undefined, { ref: false })]);
    this.#detached = true;
  }

  /** Has no effect on a task that is paused, or whose end is decided. */
  pause(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#pause.pause(by, reason, ref);
  }

  /** Has no effect on a task that is not paused. */
  resume(by: string, reason: string | undefined, ref?: string): Promise<void> {
    return this.#pause.resume(by, reason, ref);
  }

  /** Sends a message to the agent: after its current turn, or by interrupting it. */
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

  /** Answers a request of the agent; throws REQUEST_CLOSED with the name of the earlier answerer. */
  answer(requestId: string, answer: AnswerInput, by: string): Promise<void> {
    return this.#requests.answer(requestId, answer, by);
  }

  /** Ends the task. The first reason is kept. */
  terminate(reason: TerminationReason): void {
    if (this.over) return;
    this.#reason = reason;
    this.#abortRun();
  }

  get #task(): Task {
    return this.#recorder.task;
  }

  async #execute(): Promise<void> {
    this.#begin();
    const outcome = await Promise.race([this.#converse(), this.#aborted.promise]).catch((thrown) =>
      this.#failed(thrown),
    );
    this.#recorder.seal();
    this.#limit.clear();
    try {
      const closed = this.#requests.closeAll('end of task');
      if (!this.#detached) await this.#finish(outcome, [...closed, ...warningsOf(outcome)]);
    } finally {
      this.#run.current?.close();
    }
  }

  /** Stores the end and everything that belongs to it in one append. */
  async #finish(outcome: TurnOutcome | undefined, events: TaskEventBody[]): Promise<void> {
    const recorder = this.#recorder;
    const run = this.#run;
    const { files } = this.#options;
    const terminated = this.#reason !== undefined;
    const result = await collectResult({ recorder, run, files, outcome, terminated }, events);
    if (this.#detached) return;
    events.push(...undelivered(this.#conversation.pending));
    recorder.end(...events, endEvent(this.#task, this.#reason, outcome, result));
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
    if (this.#recovered.termination) this.terminate(this.#recovered.termination);
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
    if (this.#recorder.sealed) discard(run, this.#logger);
    this.#recorder.checkExternalAnswers();
    return run;
  }

  #abortRun(): void {
    this.#abort.abort();
    this.#aborted.resolve(undefined);
    this.#pause.release();
  }

  #failed(thrown: unknown): TurnOutcome {
    if (toBridgeError(thrown).code === 'INTERNAL')
      this.#logger.error({ err: messageOf(thrown) }, 'a task failed');
    return failedBy(thrown);
  }
}
