import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessLeft } from '../../tasks/events.ts';
import type { OpenCodeEvent, SessionStatus } from '../opencode-protocol/wire.ts';
import type { Prompt, Run, RunnerAnswer, TurnOutcome } from '../runner.ts';
import { abortUntilIdle } from './abort-until-idle.ts';
import { discountAbortedStart } from './aborted-start.ts';
import { ActiveTurn } from './active-turn.ts';
import { messageId } from './message-id.ts';
import { sendPrompt } from './send-prompt.ts';
import { SessionReconciler } from './session-reconciler.ts';
import type { SessionRunOptions } from './session-run-options.ts';
import { SessionTree } from './session-tree.ts';
import { SlowStart } from './slow-start.ts';
import type { Verdict } from './turn-state.ts';
import { Watchdog } from './watchdog.ts';

/** How long OpenCode has to stop its commands before the bridge does. */
const STOP_LIMIT_MS = 2_000;
/** Reasons of a retry that show no life of the model; by the texts of OpenCode 1.18.33. */
const MODEL_HANGS = /timed out/i;

/** One task's conversation in one OpenCode session and the sessions that it opens below itself. */
export class SessionRun implements Run {
  readonly sessionId: string;
  readonly exclusive: boolean;
  readonly #options: SessionRunOptions;
  readonly #tree: SessionTree;
  readonly #records: SessionReconciler;
  readonly #slowStart: SlowStart;
  #turn: ActiveTurn | undefined;
  #watchdog: Watchdog | undefined;
  #closed = false;

  constructor(options: SessionRunOptions) {
    this.#options = options;
    this.sessionId = options.sessionId;
    this.exclusive = options.exclusive;
    this.#tree = new SessionTree(options, {
      onEvent: (event) => this.#records.onEvent(event),
      onActivity: () => this.#watchdog?.touch(),
      onLost: (why) => this.#onLost(why),
      onGap: () => this.#onGap(),
    });
    this.#slowStart = new SlowStart(options);
    this.#records = new SessionReconciler(this.#tree, options, (event) => this.#onEvent(event));
  }

  async turn({ text, key, recordedAs, recordedAt, record }: Prompt): Promise<TurnOutcome> {
    const { sessionId, model, agent, stream, now } = this.#options;
    const promptId = recordedAs ?? messageId(key, now());
    const turn = new ActiveTurn({ sessionId, messageId: promptId, text, model, agent });
    this.#turn = turn;
    this.#tree.forgetWork();
    try {
      await Promise.race([stream.ready(), turn.outcome]);
      if (!turn.settled) {
        if (recordedAs === undefined) record(promptId);
        turn.sending = this.#send(turn, recordedAs !== undefined, recordedAt);
      }
      return await discountAbortedStart(turn, await turn.outcome, this.#options);
    } finally {
      this.#watchdog?.stop();
      this.#watchdog = undefined;
      this.#turn = undefined;
    }
  }

  /** Does nothing to a turn that is over: what is said next needs no interruption. */
  async interrupt(): Promise<void> {
    const turn = this.#turn;
    if (!turn || (turn.settled && !turn.stopping)) return;
    const stopping = this.#stopTurn(turn);
    turn.settle(stopping.then(() => this.#afterStop(turn)).catch(() => turn.interrupted()));
    await stopping;
  }

  async stop(): Promise<void> {
    const turn = this.#turn;
    const stopping = turn ? this.#stopTurn(turn) : abortUntilIdle(this.#tree, undefined, this.#options.now);
    turn?.settle(stopping.catch(() => undefined).then(() => turn.interrupted()));
    try {
      // Commands first hear of it from OpenCode, which then starts no more; but it may hang.
      await Promise.race([stopping.catch(() => undefined), sleep(STOP_LIMIT_MS, undefined, { ref: false })]);
      await this.#options.shells?.end(this.sessionId);
      await stopping;
    } finally {
      this.close();
    }
  }

  async settle(completed: boolean): Promise<ProcessLeft[]> {
    return (await this.#options.shells?.settle(this.sessionId, completed)) ?? [];
  }

  answer(requestId: string, answer: RunnerAnswer): Promise<void> {
    return this.#tree.requests.answer(requestId, answer);
  }

  async recheck(): Promise<void> {
    if (this.#turn) await this.#records.read(this.#turn);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#records.close();
    if (this.#turn && !this.#turn.settled) this.#turn.settle(this.#turn.interrupted());
    this.#tree.close();
    this.#options.onClose();
  }

  /** `sentAt`: when an earlier process sent it, if it did. */
  async #send(turn: ActiveTurn, perhapsSent: boolean, sentAt?: number): Promise<void> {
    const { firstPromptId } = this.#options;
    const catchUp = async (): Promise<void> => {
      if (perhapsSent && firstPromptId !== undefined) await this.#records.catchUp(firstPromptId);
    };
    const isClosed = (): boolean => this.#closed;
    const known = await sendPrompt(turn, { ...this.#options, perhapsSent, catchUp, isClosed });
    if (known === undefined) return;
    this.#onAccepted(turn, known ? sentAt : undefined);
    if (known) this.#records.reconcile(turn);
  }

  #onAccepted(turn: ActiveTurn, at = this.#options.now()): void {
    turn.accepted = true;
    if (turn.settled || this.#closed) return;
    const { limits, now, stream } = this.#options;
    this.#watchdog?.stop();
    this.#watchdog = new Watchdog({
      limits,
      acceptedAt: at,
      now,
      started: () => turn.state.started,
      excused: () => turn.settled || !stream.connected || this.#tree.waits,
      onSilence: () => this.#pollMissed(turn),
      onLimit: (limit) => (limit === 'startMs' ? this.#onStartLimit(turn) : this.#onStall(turn)),
    });
  }

  #onLost(why: string): void {
    const code = 'ENGINE_UNREACHABLE';
    const message = `The connection to OpenCode is lost (${why}); the task goes on when it is back.`;
    if (this.#turn && !this.#turn.settled) this.#options.emit({ kind: 'warning', code, message });
  }

  #onGap(): void {
    this.#watchdog?.touch();
    this.#records.reconcile(this.#turn);
  }

  #onEvent(event: OpenCodeEvent): void {
    this.#options.emit(...this.#tree.read(event));
    const turn = this.#turn?.state;
    if (!turn) return;
    if (event.type === 'message.part.updated') {
      const { part } = event.properties;
      turn.onPart(part.messageID);
      if (part.type === 'text') turn.onText(part.messageID, part.id, part.text);
    } else if (event.type === 'message.updated') {
      if (this.#isRoot(event.properties.info.sessionID)) turn.onMessage(event.properties.info);
    } else if (event.type === 'session.status') {
      this.#onStatus(event.properties.sessionID, event.properties.status);
    } else if (event.type === 'session.error') {
      const { sessionID, error } = event.properties;
      if (error && this.#isRoot(sessionID)) this.#conclude(turn.onError(error));
    } else if (event.type === 'session.deleted') {
      if (this.#isRoot(event.properties.info.id)) this.#onDeleted();
    }
  }

  #onStatus(sessionId: string, status: SessionStatus): void {
    if (status.type === 'retry' && !MODEL_HANGS.test(status.message)) this.#watchdog?.touch(status.next);
    if (this.#turn && this.#isRoot(sessionId)) this.#conclude(this.#turn.state.onStatus(status));
    else if (status.type === 'idle' && this.#tree.background.awaits(sessionId))
      this.#records.reconcile(this.#turn);
  }

  /** Somebody deleted the session, which does not stop what runs in it. */
  async #onDeleted(): Promise<void> {
    await this.#tree.abort().catch(() => undefined);
    this.#records.reconcile(this.#turn);
  }

  #isRoot(sessionId: string | undefined): boolean {
    return sessionId === this.sessionId;
  }

  /** While the records are being asked they alone decide, and so where something goes on in the background. */
  #conclude(verdict: Verdict): void {
    const ended = typeof verdict === 'object';
    if (verdict === 'unsure' || (ended && (this.#records.deciding || this.#tree.background.any)))
      this.#records.reconcile(this.#turn);
    else if (ended) this.#turn?.settle(verdict);
  }

  /** The records tell whether it has started unheard, or whether the prompt was lost on its way. */
  async #onStartLimit(turn: ActiveTurn): Promise<void> {
    await this.#records.read(turn);
    if (turn.settled) return;
    if (turn.state.started) this.#records.reconcile(turn);
    else if (turn.state.stored)
      await this.#giveUp(turn, turn.state.neverStarted(this.#options.limits.startMs));
    else turn.sending = this.#send(turn, true);
  }

  async #pollMissed(turn: ActiveTurn): Promise<void> {
    if (this.#options.stream.connected && (await this.#tree.hasMissed())) this.#records.reconcile(turn);
    else await this.#slowStart.look(turn);
  }

  async #onStall(turn: ActiveTurn): Promise<void> {
    const verdict = await this.#records.read(turn);
    if (turn.settled || this.#tree.waits) return;
    if (verdict === 'running') await this.#giveUp(turn, turn.state.stalled(this.#options.limits.stallMs));
    else this.#records.reconcile(turn);
  }

  /** Ends a turn that comes to nothing, once OpenCode has stopped with it. */
  async #giveUp(turn: ActiveTurn, outcome: TurnOutcome): Promise<void> {
    const stopping = this.#stopTurn(turn);
    turn.settle(stopping.catch(() => undefined).then(() => outcome));
    await stopping;
  }

  #stopTurn(turn: ActiveTurn): Promise<void> {
    turn.stopping ??= abortUntilIdle(this.#tree, turn, this.#options.now);
    return turn.stopping;
  }

  /** A turn that had come to its end before the interruption was not interrupted. */
  async #afterStop(turn: ActiveTurn): Promise<TurnOutcome> {
    const verdict = turn.accepted ? await this.#records.read(turn) : undefined;
    return typeof verdict === 'object' && verdict.kind === 'completed' ? verdict : turn.interrupted();
  }
}
