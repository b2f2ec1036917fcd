import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError, type ErrorCode, messageOf, toBridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { TaskEvent, TaskEventBody } from '../../tasks/events.ts';
import type { Prompt, RequestAnswer, Run, TurnOutcome } from '../runner.ts';
import type { OpenCodeApi, PromptRequest } from './api.ts';
import type { EventStream } from './event-stream.ts';
import { messageId } from './message-id.ts';
import { SessionTree } from './session-tree.ts';
import { unknownAgent } from './translate.ts';
import { Turn, type Verdict } from './turn.ts';
import type { OpenCodeEvent } from './wire.ts';

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;
const STOP_POLL_MS = 25;
/** A prompt that OpenCode has stored begins within this time, or an abort has come before it. */
const BEGIN_LIMIT_MS = 1_000;
const REREAD_MS = 1_000;
/** After this the records are tried without a stream. */
const STREAM_LIMIT_MS = 15_000;
/** How long a prompt may take to begin after an error that may belong to the turn before it. */
const DOUBT_MS = 1_000;
/** What will not be otherwise at the next reading: the session is gone, the password has changed. */
const LASTING: ReadonlySet<ErrorCode> = new Set(['ENGINE_NOT_FOUND', 'ENGINE_UNAUTHORIZED']);

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
  api: OpenCodeApi;
  stream: EventStream;
  emit: (...events: TaskEventBody[]) => void;
  logger: Logger;
  now: () => number;
  onClose: () => void;
}

/** A turn from its prompt to its outcome. */
interface OpenTurn {
  readonly promptId: string;
  readonly state: Turn;
  readonly over: PromiseWithResolvers<TurnOutcome>;
  /** Settles when OpenCode has taken the prompt or will not; absent before it is sent. */
  sending?: Promise<void>;
  /** Whether OpenCode has the prompt, and so will start on it. */
  accepted: boolean;
  /** The first way in which it came out stays. */
  settled: boolean;
  /** Settles when OpenCode is idle; there once the turn is being stopped. */
  stopping?: Promise<void>;
}

/** One task's conversation in one OpenCode session and the sessions that it opens below itself. */
export class SessionRun implements Run {
  readonly sessionId: string;
  readonly #options: SessionRunOptions;
  readonly #tree: SessionTree;
  #turn: OpenTurn | undefined;
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #closed = false;
  /** Readings of the records under way, and the events that came meanwhile. */
  #readings = 0;
  #held: OpenCodeEvent[] = [];

  constructor(options: SessionRunOptions) {
    this.#options = options;
    this.sessionId = options.sessionId;
    this.#tree = new SessionTree(options, {
      onEvent: (event) => this.#onEvent(event),
      onLost: (why) => this.#onLost(why),
      onGap: () => this.#reread(),
    });
  }

  async turn({ text, key, recordedAs, record }: Prompt): Promise<TurnOutcome> {
    const { sessionId, model, agent, stream, now } = this.#options;
    const promptId = recordedAs ?? messageId(key, now());
    const over = Promise.withResolvers<TurnOutcome>();
    const turn: OpenTurn = { promptId, state: new Turn(promptId), over, accepted: false, settled: false };
    this.#turn = turn;
    let watchdog: NodeJS.Timeout | undefined;
    try {
      await Promise.race([stream.ready(), over.promise]);
      if (!turn.settled) {
        if (recordedAs === undefined) record(promptId);
        watchdog = setTimeout(() => this.#onStartLimit(turn), START_LIMIT_MS);
        const request = { sessionId, messageId: promptId, text, model, agent };
        turn.sending = this.#send(turn, request, recordedAs !== undefined);
      }
      return await over.promise;
    } finally {
      clearTimeout(watchdog);
      this.#turn = undefined;
    }
  }

  /** Does nothing to a turn that is over: what is said next needs no interruption. */
  async interrupt(): Promise<void> {
    const turn = this.#turn;
    if (!turn || (turn.settled && !turn.stopping)) return;
    const stopping = this.#stopTurn(turn);
    this.#settle(
      turn,
      stopping.then(() => this.#afterStop(turn)).catch(() => interrupted(turn)),
    );
    await stopping;
  }

  async stop(): Promise<void> {
    const turn = this.#turn;
    const stopping = turn ? this.#stopTurn(turn) : this.#quiet(undefined);
    if (turn)
      this.#settle(
        turn,
        stopping.then(() => interrupted(turn)).catch(() => interrupted(turn)),
      );
    try {
      await stopping;
    } finally {
      this.close();
    }
  }

  async answer(requestId: string, answer: RequestAnswer): Promise<void> {
    const { api, directory } = this.#options;
    try {
      if (answer.type === 'question') await api.replyQuestion(requestId, directory, answer.answers);
      else await api.replyPermission(requestId, directory, answer.reply, answer.message);
    } catch (thrown) {
      if (!(thrown instanceof BridgeError && thrown.code === 'ENGINE_NOT_FOUND')) throw thrown;
      throw new BridgeError('REQUEST_CLOSED', `Request "${requestId}" is no longer open in OpenCode.`, {
        cause: thrown,
      });
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#turn && !this.#turn.settled) this.#settle(this.#turn, interrupted(this.#turn));
    this.#tree.close();
    this.#options.onClose();
  }

  /**
   * Sends the prompt; after a failure that passes again, unless it is on record: its id is taken once.
   * Of one that may have been sent by an earlier process, the records are asked first.
   */
  async #send(turn: OpenTurn, request: PromptRequest, perhapsSent: boolean): Promise<void> {
    const { api, stream, logger } = this.#options;
    for (let asks = perhapsSent; !turn.settled && !this.#closed; asks = true) {
      try {
        if (asks) await stream.ready();
        if (perhapsSent) await this.#catchUp();
        const known = asks && (await api.messagesFrom(request.sessionId, request.messageId)).length > 0;
        if (!known && !turn.settled && !this.#closed) await api.prompt(request);
        turn.accepted = true;
        if (known) this.#reread();
        return;
      } catch (thrown) {
        if (codeOf(thrown) !== 'ENGINE_UNAVAILABLE') return this.#settle(turn, failed(thrown));
        logger.warn({ err: messageOf(thrown) }, 'a prompt did not reach OpenCode; trying again');
        await sleep(REREAD_MS, undefined, { ref: false });
      }
    }
  }

  /** Tells what happened between the last event of the log and now. */
  async #catchUp(): Promise<void> {
    const { firstPromptId, emit } = this.#options;
    if (firstPromptId === undefined) return;
    await this.#beforeEvents(async () => emit(...(await this.#tree.catchUp(firstPromptId))));
  }

  #onLost(why: string): void {
    const code = 'ENGINE_UNREACHABLE';
    const message = `The connection to OpenCode is lost (${why}); the task goes on when it is back.`;
    if (this.#turn && !this.#turn.settled) this.#options.emit({ kind: 'warning', code, message });
  }

  /** What the records tell is older than what is heard while they are read, and so comes first in the log. */
  async #beforeEvents<T>(read: () => Promise<T>): Promise<T> {
    this.#readings += 1;
    try {
      return await read();
    } finally {
      this.#readings -= 1;
      if (this.#readings === 0) for (const event of this.#held.splice(0)) this.#onEvent(event);
    }
  }

  #onEvent(event: OpenCodeEvent): void {
    if (this.#readings > 0) {
      this.#held.push(event);
      return;
    }
    this.#options.emit(...this.#tree.read(event));
    const turn = this.#turn?.state;
    if (!turn) return;
    if (event.type === 'message.part.updated') {
      const { part } = event.properties;
      if (part.type === 'text') turn.onText(part.messageID, part.id, part.text);
    } else if (event.type === 'message.updated') {
      if (this.#isRoot(event.properties.info.sessionID)) turn.onMessage(event.properties.info);
    } else if (event.type === 'session.status') {
      if (this.#isRoot(event.properties.sessionID)) this.#conclude(turn.onStatus(event.properties.status));
    } else if (event.type === 'session.error') {
      const { sessionID, error } = event.properties;
      if (error && this.#isRoot(sessionID)) this.#conclude(turn.onError(error));
    } else if (event.type === 'session.deleted') {
      if (this.#isRoot(event.properties.info.id)) this.#onDeleted();
    }
  }

  /** Somebody deleted the session, which does not stop what runs in it. */
  async #onDeleted(): Promise<void> {
    await this.#tree.abort().catch(() => undefined);
    this.#reread();
  }

  #isRoot(sessionId: string | undefined): boolean {
    return sessionId === this.#options.sessionId;
  }

  /** While the records are being read, for a gap may have swallowed events, they alone decide. */
  #conclude(verdict: Verdict): void {
    const ended = typeof verdict === 'object';
    if (verdict === 'unsure' || (ended && this.#reading)) this.#reread();
    else if (ended && this.#turn) this.#settle(this.#turn, verdict);
  }

  #settle(turn: OpenTurn, outcome: TurnOutcome | Promise<TurnOutcome>): void {
    turn.settled = true;
    turn.over.resolve(outcome);
  }

  /** Reads OpenCode's records, one reading at a time, and decides the turn by them. */
  #reread(): void {
    this.#readAgain = true;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
  }

  async #read(): Promise<void> {
    while (this.#readAgain && !this.#closed) {
      this.#readAgain = false;
      const turn = this.#turn;
      if (!turn || turn.settled) return;
      try {
        await this.#reachable();
        const verdict = await this.#verdict(turn);
        if (typeof verdict === 'object') this.#settle(turn, await this.#explained(verdict));
      } catch (thrown) {
        if (LASTING.has(codeOf(thrown))) return this.#settle(turn, failed(thrown));
        this.#options.logger.warn(
          { err: messageOf(thrown) },
          "OpenCode's records cannot be read; trying again",
        );
        this.#readAgain = true;
        await sleep(REREAD_MS, undefined, { ref: false });
      }
    }
  }

  /** A server that is starting never answers what it is asked too early; its stream tells when it has started. */
  async #reachable(): Promise<void> {
    const patience = sleep(STREAM_LIMIT_MS, undefined, { ref: false });
    await Promise.race([this.#options.stream.ready(), patience]);
  }

  /** A failure is believed when it is read twice: status and messages are not of one moment. */
  async #verdict(turn: OpenTurn): Promise<Verdict> {
    const verdict = await this.#look(turn);
    if (typeof verdict !== 'object' || verdict.kind !== 'failed') return verdict;
    if (!turn.state.started) await sleep(DOUBT_MS, undefined, { ref: false });
    return this.#look(turn);
  }

  #look({ promptId, state }: OpenTurn): Promise<Verdict> {
    return this.#beforeEvents(async () => {
      const { events, snapshot } = await this.#tree.snapshot(promptId);
      this.#options.emit(...events);
      for (const { info, parts } of snapshot.messages) {
        for (const part of parts) if (part.type === 'text') state.onText(info.id, part.id, part.text);
      }
      return state.judge(snapshot);
    });
  }

  /** OpenCode says no more than "UnknownError" of an agent it does not know. */
  async #explained(outcome: TurnOutcome): Promise<TurnOutcome> {
    const { api, agent, directory } = this.#options;
    if (outcome.kind !== 'failed' || outcome.error.code !== 'ENGINE_ERROR') return outcome;
    const names = await api.agents(directory).catch(() => [agent]);
    return names.includes(agent) ? outcome : { ...outcome, error: unknownAgent(agent, names) };
  }

  /** The events may have been missed: OpenCode's records tell whether the turn has started. */
  async #onStartLimit(turn: OpenTurn): Promise<void> {
    if (!turn.state.started) await this.#look(turn).catch(() => undefined);
    if (turn.settled || turn.state.started) return;
    this.#settle(turn, turn.state.neverStarted(START_LIMIT_MS));
    await this.#tree.abort().catch(() => undefined);
  }

  #stopTurn(turn: OpenTurn): Promise<void> {
    turn.stopping ??= this.#quiet(turn);
    return turn.stopping;
  }

  /** A turn that had come to its end before the interruption was not interrupted. */
  async #afterStop(turn: OpenTurn): Promise<TurnOutcome> {
    const verdict = turn.accepted ? await this.#look(turn) : undefined;
    return typeof verdict === 'object' && verdict.kind === 'completed' ? verdict : interrupted(turn);
  }

  /**
   * Aborts every session of the tree until OpenCode itself says that none is at work. An abort before
   * OpenCode has begun with a prompt that it has taken may or may not keep it from beginning.
   */
  async #quiet(turn: OpenTurn | undefined): Promise<void> {
    const deadline = this.#options.now() + STOP_LIMIT_MS;
    let sending = turn?.sending !== undefined;
    turn?.sending?.finally(() => (sending = false));
    let begins = deadline;
    for (;;) {
      await this.#tree.abort();
      const idle = (await this.#tree.busy()).length === 0;
      const now = this.#options.now();
      if (turn?.state.stored) begins = Math.min(begins, now + BEGIN_LIMIT_MS);
      const mayBegin = sending || (turn?.accepted === true && !turn.state.begun);
      if (idle && (!mayBegin || now > begins)) return this.#tree.dismissRequests();
      if (now > deadline) break;
      await sleep(STOP_POLL_MS);
    }
    throw new BridgeError(
      'ENGINE_ERROR',
      'OpenCode was told to stop the session but is still at work on it.',
    );
  }
}

function interrupted({ state }: OpenTurn): TurnOutcome {
  return { kind: 'interrupted', summary: state.summary };
}

function codeOf(thrown: unknown): ErrorCode {
  return toBridgeError(thrown).code;
}

function failed(thrown: unknown): TurnOutcome {
  const { code, message, next } = toBridgeError(thrown);
  return { kind: 'failed', summary: '', finish: 'error', error: { code, message, ...(next && { next }) } };
}
