import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError, messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { TaskEventBody } from '../../tasks/events.ts';
import type { Prompt, RequestAnswer, Run, TurnOutcome } from '../runner.ts';
import type { OpenCodeApi } from './api.ts';
import type { EventStream } from './event-stream.ts';
import { messageId } from './message-id.ts';
import { SessionTree } from './session-tree.ts';
import { unknownAgent } from './translate.ts';
import { Turn, type Verdict } from './turn.ts';
import type { OpenCodeEvent } from './wire.ts';

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;
const STOP_POLL_MS = 25;
const REREAD_MS = 1_000;

export interface SessionRunOptions {
  sessionId: string;
  directory: string;
  model?: string | undefined;
  agent: string;
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
  #turn: { promptId: string; state: Turn; over: PromiseWithResolvers<TurnOutcome> } | undefined;
  #sending: Promise<unknown> = Promise.resolve();
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #closed = false;

  constructor(options: SessionRunOptions) {
    this.#options = options;
    this.sessionId = options.sessionId;
    this.#tree = new SessionTree(options, {
      onEvent: (event) => this.#onEvent(event),
      onGap: () => this.#reread(),
    });
  }

  async turn({ text, key, record }: Prompt): Promise<TurnOutcome> {
    const { sessionId, model, agent, api, stream, now } = this.#options;
    const promptId = messageId(key, now());
    const turn = { promptId, state: new Turn(promptId), over: Promise.withResolvers<TurnOutcome>() };
    this.#turn = turn;
    await stream.ready();
    record(promptId);
    const watchdog = setTimeout(() => this.#onStartLimit(), START_LIMIT_MS);
    try {
      const sent = api.prompt({ sessionId, messageId: promptId, text, model, agent });
      this.#sending = sent.catch((thrown) => this.#onSendFailure(thrown));
      return await turn.over.promise;
    } finally {
      clearTimeout(watchdog);
      this.#turn = undefined;
    }
  }

  async interrupt(): Promise<void> {
    const turn = this.#turn;
    turn?.over.resolve({ kind: 'interrupted', summary: turn.state.summary });
    await this.#quiet(turn?.state);
  }

  async stop(): Promise<void> {
    await this.interrupt();
    this.close();
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
    this.#tree.close();
    this.#options.onClose();
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
      if (this.#isRoot(event.properties.sessionID)) this.#conclude(turn.onStatus(event.properties.status));
    } else if (event.type === 'session.error') {
      const { sessionID, error } = event.properties;
      if (error && this.#isRoot(sessionID)) this.#conclude(turn.onError(error));
    }
  }

  #isRoot(sessionId: string | undefined): boolean {
    return sessionId === this.#options.sessionId;
  }

  #conclude(verdict: Verdict): void {
    if (verdict === 'unsure') this.#reread();
    else if (typeof verdict === 'object') this.#turn?.over.resolve(verdict);
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
      try {
        await this.#readOnce();
      } catch (thrown) {
        this.#options.logger.warn(
          { err: messageOf(thrown) },
          "OpenCode's records cannot be read; trying again",
        );
        this.#readAgain = true;
        await sleep(REREAD_MS);
      }
    }
  }

  async #readOnce(): Promise<void> {
    const turn = this.#turn;
    if (!turn) return;
    const { events, snapshot } = await this.#tree.snapshot(turn.promptId);
    if (this.#turn !== turn) return;
    this.#options.emit(...events);
    for (const { info, parts } of snapshot.messages) {
      for (const part of parts) if (part.type === 'text') turn.state.onText(info.id, part.id, part.text);
    }
    const verdict = turn.state.judge(snapshot);
    if (typeof verdict === 'object') turn.over.resolve(await this.#explained(verdict));
  }

  /** OpenCode says no more than "UnknownError" of an agent it does not know. */
  async #explained(outcome: TurnOutcome): Promise<TurnOutcome> {
    const { api, agent, directory } = this.#options;
    if (outcome.kind !== 'failed' || outcome.error.code !== 'ENGINE_ERROR') return outcome;
    const names = await api.agents(directory).catch(() => [agent]);
    return names.includes(agent) ? outcome : { ...outcome, error: unknownAgent(agent, names) };
  }

  /** The prompt may or may not have arrived: OpenCode's records tell. */
  #onSendFailure(thrown: unknown): void {
    const turn = this.#turn;
    if (!turn) return;
    const known = thrown instanceof BridgeError && thrown.code !== 'ENGINE_UNAVAILABLE';
    if (known) turn.over.resolve(failed(thrown.code, thrown.message, thrown.next));
    else this.#reread();
  }

  #onStartLimit(): void {
    const turn = this.#turn;
    if (turn && !turn.state.started) turn.over.resolve(turn.state.neverStarted(START_LIMIT_MS));
  }

  /** Aborts every session of the tree until OpenCode itself says that none is at work. */
  async #quiet(turn: Turn | undefined): Promise<void> {
    const deadline = this.#options.now() + STOP_LIMIT_MS;
    await Promise.race([this.#sending, sleep(STOP_LIMIT_MS, undefined, { ref: false })]);
    for (;;) {
      await this.#tree.abort();
      const idle = (await this.#tree.busy()).length === 0;
      if (idle && (turn === undefined || turn.started)) return;
      if (this.#options.now() > deadline) break;
      await sleep(STOP_POLL_MS);
    }
    if ((await this.#tree.busy()).length === 0) return;
    throw new BridgeError(
      'ENGINE_ERROR',
      'OpenCode was told to stop the session but is still at work on it.',
    );
  }
}

function failed(code: string, message: string, next: string | undefined): TurnOutcome {
  return { kind: 'failed', summary: '', finish: 'error', error: { code, message, ...(next && { next }) } };
}
