import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, toBridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { TaskEvent, TaskEventBody } from '../../tasks/events.ts';
import type { Prompt, RequestAnswer, Run, TurnOutcome } from '../runner.ts';
import type { OpenCodeApi, PromptRequest } from './api.ts';
import type { AskedPermissions } from './asked-permissions.ts';
import type { EventStream } from './event-stream.ts';
import { messageId } from './message-id.ts';
import { OpenTurn } from './open-turn.ts';
import { quiet } from './quiet.ts';
import { Records } from './records.ts';
import { SessionTree } from './session-tree.ts';
import { failed } from './translate.ts';
import type { Verdict } from './turn.ts';
import { type TurnLimits, Watchdog } from './watchdog.ts';
import type { OpenCodeEvent, SessionStatus } from './wire.ts';

const RESEND_MS = 1_000;
/** Reasons of a retry that show no life of the model; by the texts of OpenCode 1.18.33. */
const MODEL_HANGS = /timed out/i;

export interface SessionRunOptions {
  sessionId: string;
  directory: string;
  /** Sessions below this one that belong to tasks before. */
  earlier: readonly string[];
  /** What the task's log holds already. */
  past: readonly TaskEvent[];
  /** The task's first prompt, if it has one already. */
  firstPromptId?: string | undefined;
  model?: string | undefined;
  agent: string;
  limits: TurnLimits;
  asked: AskedPermissions;
  api: OpenCodeApi;
  stream: EventStream;
  emit: (...events: TaskEventBody[]) => void;
  logger: Logger;
  now: () => number;
  onClose: () => void;
}

/** One task's conversation in one OpenCode session and the sessions that it opens below itself. */
export class SessionRun implements Run {
  readonly sessionId: string;
  readonly #options: SessionRunOptions;
  readonly #tree: SessionTree;
  readonly #records: Records;
  #turn: OpenTurn | undefined;
  #watchdog: Watchdog | undefined;
  #closed = false;

  constructor(options: SessionRunOptions) {
    this.#options = options;
    this.sessionId = options.sessionId;
    this.#tree = new SessionTree(options, {
      onEvent: (event) => this.#records.hear(event),
      onSign: () => this.#watchdog?.alive(),
      onLost: (why) => this.#onLost(why),
      onGap: () => this.#onGap(),
    });
    this.#records = new Records(this.#tree, options, (event) => this.#onEvent(event));
  }

  async turn({ text, key, recordedAs, recordedAt, record }: Prompt): Promise<TurnOutcome> {
    const { sessionId, model, agent, stream, now } = this.#options;
    const promptId = recordedAs ?? messageId(key, now());
    const turn = new OpenTurn({ sessionId, messageId: promptId, text, model, agent });
    this.#turn = turn;
    this.#tree.forgetTools();
    try {
      await Promise.race([stream.ready(), turn.outcome]);
      if (!turn.settled) {
        if (recordedAs === undefined) record(promptId);
        turn.sending = this.#send(turn, recordedAs !== undefined, recordedAt);
      }
      return await turn.outcome;
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
    const stopping = turn ? this.#stopTurn(turn) : this.#quiet(undefined);
    turn?.settle(stopping.catch(() => undefined).then(() => turn.interrupted()));
    try {
      await stopping;
    } finally {
      this.close();
    }
  }

  answer(requestId: string, answer: RequestAnswer): Promise<void> {
    return this.#options.asked.answer(requestId, answer);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#records.close();
    if (this.#turn && !this.#turn.settled) this.#turn.settle(this.#turn.interrupted());
    this.#tree.close();
    this.#options.onClose();
  }

  /**
   * Sends the prompt; after a failure that passes again, unless it is on record: its id is taken once.
   * Of one that may have been sent by an earlier process, at that time, the records are asked first.
   */
  async #send(turn: OpenTurn, perhapsSent: boolean, sentAt?: number): Promise<void> {
    const { api, stream, logger, firstPromptId } = this.#options;
    for (let asks = perhapsSent; !turn.settled && !this.#closed; asks = true) {
      try {
        if (asks) await stream.ready();
        if (perhapsSent && firstPromptId !== undefined) await this.#records.catchUp(firstPromptId);
        const known = asks && (await this.#isOnRecord(turn.request));
        if (!known && !turn.settled && !this.#closed) await api.prompt(turn.request);
        this.#onAccepted(turn, known ? sentAt : undefined);
        if (known) this.#records.decide(turn);
        return;
      } catch (thrown) {
        if (toBridgeError(thrown).code !== 'ENGINE_UNAVAILABLE') return turn.settle(failed(thrown));
        logger.warn({ err: messageOf(thrown) }, 'a prompt did not reach OpenCode; trying again');
        await sleep(RESEND_MS, undefined, { ref: false });
      }
    }
  }

  /** OpenCode stores a message first and its text after that, and may die in between: then it has to be sent again. */
  async #isOnRecord({ sessionId, messageId: promptId }: PromptRequest): Promise<boolean> {
    const [prompt] = await this.#options.api.messagesFrom(sessionId, promptId);
    return prompt?.parts.some(({ type }) => type === 'text') ?? false;
  }

  #onAccepted(turn: OpenTurn, at = this.#options.now()): void {
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
      onSilence: () => this.#glance(turn),
      onLimit: (limit) => (limit === 'startMs' ? this.#onStartLimit(turn) : this.#onStall(turn)),
    });
  }

  #onLost(why: string): void {
    const code = 'ENGINE_UNREACHABLE';
    const message = `The connection to OpenCode is lost (${why}); the task goes on when it is back.`;
    if (this.#turn && !this.#turn.settled) this.#options.emit({ kind: 'warning', code, message });
  }

  #onGap(): void {
    this.#watchdog?.alive();
    this.#records.decide(this.#turn);
  }

  #onEvent(event: OpenCodeEvent): void {
    this.#options.emit(...this.#tree.read(event));
    const turn = this.#turn?.state;
    if (!turn) return;
    if (event.type === 'message.part.updated') {
      const { part } = event.properties;
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
    if (status.type === 'retry' && !MODEL_HANGS.test(status.message)) this.#watchdog?.alive(status.next);
    if (this.#turn && this.#isRoot(sessionId)) this.#conclude(this.#turn.state.onStatus(status));
  }

  /** Somebody deleted the session, which does not stop what runs in it. */
  async #onDeleted(): Promise<void> {
    await this.#tree.abort().catch(() => undefined);
    this.#records.decide(this.#turn);
  }

  #isRoot(sessionId: string | undefined): boolean {
    return sessionId === this.#options.sessionId;
  }

  /** While the records are being asked they alone decide. */
  #conclude(verdict: Verdict): void {
    const ended = typeof verdict === 'object';
    if (verdict === 'unsure' || (ended && this.#records.deciding)) this.#records.decide(this.#turn);
    else if (ended) this.#turn?.settle(verdict);
  }

  /** The records tell whether it has started unheard, or whether the prompt was lost on its way. */
  async #onStartLimit(turn: OpenTurn): Promise<void> {
    await this.#records.look(turn);
    if (turn.settled) return;
    if (turn.state.started) this.#records.decide(turn);
    else if (turn.state.stored)
      await this.#giveUp(turn, turn.state.neverStarted(this.#options.limits.startMs));
    else turn.sending = this.#send(turn, true);
  }

  async #glance(turn: OpenTurn): Promise<void> {
    if (this.#options.stream.connected && (await this.#tree.hasMissed())) this.#records.decide(turn);
  }

  async #onStall(turn: OpenTurn): Promise<void> {
    const verdict = await this.#records.look(turn);
    if (turn.settled || this.#tree.waits) return;
    if (verdict === 'running') await this.#giveUp(turn, turn.state.stalled(this.#options.limits.stallMs));
    else this.#records.decide(turn);
  }

  /** Ends a turn that comes to nothing, once OpenCode has stopped with it. */
  async #giveUp(turn: OpenTurn, outcome: TurnOutcome): Promise<void> {
    const stopping = this.#stopTurn(turn);
    turn.settle(stopping.catch(() => undefined).then(() => outcome));
    await stopping;
  }

  #stopTurn(turn: OpenTurn): Promise<void> {
    turn.stopping ??= this.#quiet(turn);
    return turn.stopping;
  }

  #quiet(turn: OpenTurn | undefined): Promise<void> {
    return quiet(this.#tree, turn, this.#options.now);
  }

  /** A turn that had come to its end before the interruption was not interrupted. */
  async #afterStop(turn: OpenTurn): Promise<TurnOutcome> {
    const verdict = turn.accepted ? await this.#records.look(turn) : undefined;
    return typeof verdict === 'object' && verdict.kind === 'completed' ? verdict : turn.interrupted();
  }
}
