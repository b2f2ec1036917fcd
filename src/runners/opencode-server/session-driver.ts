import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, toBridgeError } from '../../errors.ts';
import { unknownAgent } from '../opencode-protocol/translate.ts';
import type { TurnOutcome } from '../runner.ts';
import { abortUntilIdle, type PendingWork } from './abort-until-idle.ts';
import type { PromptRequest } from './api.ts';
import { LiveText } from './live-text.ts';
import type { Reported } from './reported.ts';
import { rejectAll } from './request-answers.ts';
import { sendPrompt } from './send-prompt.ts';
import { reduce } from './session-reducer.ts';
import type { SessionRunOptions } from './session-run-options.ts';
import {
  type Effect,
  type Input,
  initialState,
  type ReadPurpose,
  type SessionState,
  type Timer,
} from './session-state.ts';
import { SessionTree } from './session-tree.ts';
import { openTurn } from './turn-steps.ts';

/** After this the records are read without a stream. */
const STREAM_LIMIT_MS = 15_000;

interface CurrentTurn {
  id: number;
  request: PromptRequest;
  begun: () => void;
  conclude: (outcome: TurnOutcome) => void;
}

/** The I/O around the session's reducer: passes inputs to it and runs its effects. Decides nothing itself. */
export class SessionDriver {
  readonly #options: SessionRunOptions;
  readonly #tree: SessionTree;
  readonly #live: LiveText | undefined;
  readonly #timers = new Map<Timer, NodeJS.Timeout>();
  #state: SessionState;
  #turns = 0;
  #turn: CurrentTurn | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: SessionRunOptions) {
    this.#options = options;
    this.#state = initialState(options, options.past);
    const { sessionId, live: sink } = options;
    const reportedOf = (id: string): Reported => this.#state.projection.reportedOf(id);
    this.#live = sink && new LiveText({ sessionId, sink, reportedOf });
    this.#tree = new SessionTree(options, {
      onEvent: (event) => {
        this.#live?.onEvent(event);
        this.dispatch({ type: 'event', event });
      },
      onDelta: (delta) => this.#live?.onDelta(delta),
      onActivity: () => this.dispatch({ type: 'activity' }),
      onLost: (why) => this.dispatch({ type: 'stream lost', why }),
      onGap: () => {
        this.#live?.onGap();
        this.dispatch({ type: 'stream gap' });
      },
    });
  }

  get state(): SessionState {
    return this.#state;
  }

  /** The abort of the present turn's sessions; undefined where there is none. */
  get stopping(): Promise<void> | undefined {
    return this.#stopping;
  }

  /** The state is set before the effects run: one of them may dispatch an input itself, such as a stop for a budget. */
  dispatch(input: Input): void {
    const { now, stream, approvals, directory } = this.#options;
    const moment = { now: now(), connected: stream.connected, approvals: approvals.of(directory) };
    const { state, effects } = reduce(this.#state, input, moment);
    this.#state = state;
    if (!openTurn(state) || state.turn?.evidence.begun) this.#turn?.begun();
    for (const effect of effects) this.#run(effect);
  }

  /** `begun` resolves when OpenCode has begun with the turn, or never will. */
  begin(request: PromptRequest): { id: number; begun: Promise<void>; outcome: Promise<TurnOutcome> } {
    const { promise: outcome, resolve: conclude } = Promise.withResolvers<TurnOutcome>();
    const begun = Promise.withResolvers<void>();
    this.#turns += 1;
    this.#stopping = undefined;
    this.#turn = { id: this.#turns, request, begun: begun.resolve, conclude };
    this.dispatch({ type: 'begin turn', turn: this.#turns, promptId: request.messageId });
    return { id: this.#turns, begun: begun.promise, outcome };
  }

  /** Reads the records of the present turn, if there is one. */
  async readTurn(): Promise<void> {
    const { turn } = this.#state;
    if (turn && this.#turn) await this.#read('turn', turn.id, this.#turn.request.messageId);
  }

  /** Unsubscribes; nothing is stopped. */
  close(): void {
    this.#tree.close();
  }

  /** Starts an effect. What takes time dispatches its result; none of it rejects. */
  #run(effect: Effect): unknown {
    switch (effect.type) {
      case 'emit':
        return this.#options.emit(...effect.events);
      case 'replay':
        return this.dispatch({ type: 'event', event: effect.event });
      case 'conclude':
        return this.#turn?.conclude(effect.outcome);
      case 'arm':
        return this.#arm(effect.timer, effect.ms);
      case 'disarm':
        return clearTimeout(this.#timers.get(effect.timer));
      case 'send prompt':
        return this.#send(effect.perhapsSent, effect.sentAt);
      case 'read':
        return this.#readFor(effect.turn, effect.purpose);
      case 'await stream':
        return this.#awaitStream();
      case 'poll':
        return this.#poll(effect.turn);
      case 'list MCP servers':
        return this.#listMcpServers(effect.turn);
      case 'explain':
        return this.#explain(effect.outcome);
      case 'stop sessions':
        return this.#stop(effect.turn);
      case 'abort deleted session':
        return this.#abortDeleted();
      case 'warn': {
        const { error } = effect;
        const err = messageOf(error.code === 'INTERNAL' ? error.cause : error);
        return this.#options.logger.warn({ err }, "OpenCode's records cannot be read; trying again");
      }
    }
  }

  #arm(timer: Timer, ms: number): void {
    clearTimeout(this.#timers.get(timer));
    const timeout = setTimeout(() => this.dispatch({ type: 'timer', timer }), ms);
    this.#timers.set(timer, timer === 'reconciliation' ? timeout.unref() : timeout);
  }

  async #send(perhapsSent: boolean, sentAt: number | undefined): Promise<void> {
    const { firstPromptId } = this.#options;
    if (!this.#turn) return;
    const { id: turn, request } = this.#turn;
    const catchUp = async (): Promise<void> => {
      if (perhapsSent && firstPromptId !== undefined) await this.#read('task', turn, firstPromptId);
    };
    const isOver = (): boolean => this.#state.closed || !openTurn(this.#state, turn);
    const result = await sendPrompt(request, { ...this.#options, perhapsSent, catchUp, isOver });
    if (result.sent) this.dispatch({ type: 'prompt sent', turn, known: result.known, sentAt });
    else this.dispatch({ type: 'prompt not sent', turn, outcome: result.outcome });
  }

  async #read(scope: 'task' | 'turn', turn: number, promptId: string): Promise<void> {
    this.dispatch({ type: 'read begins' });
    try {
      const records = await this.#tree.records(promptId, () => this.#state.projection.requests.open);
      this.#live?.onRecords(records);
      this.dispatch({ type: 'records', scope, turn, records });
    } finally {
      this.dispatch({ type: 'read ends' });
    }
  }

  async #readFor(turn: number, purpose: ReadPurpose): Promise<void> {
    if (this.#turn?.id !== turn) return;
    try {
      await this.#read('turn', turn, this.#turn.request.messageId);
    } catch (thrown) {
      return this.dispatch({ type: 'read failed', turn, purpose, error: toBridgeError(thrown) });
    }
    this.dispatch({ type: 'read done', turn, purpose });
  }

  /** A server that is starting never answers an early request; its stream opens when it has started. */
  async #awaitStream(): Promise<void> {
    const limit = sleep(STREAM_LIMIT_MS, undefined, { ref: false });
    await Promise.race([this.#options.stream.ready(), limit]);
    this.dispatch({ type: 'stream awaited' });
  }

  async #poll(turn: number): Promise<void> {
    const isNew = (request: { id: string }): boolean => this.#state.projection.requests.isNew(request);
    const missed = await this.#tree.hasMissed(isNew).catch(() => undefined);
    this.dispatch({ type: 'polled', turn, missed });
  }

  async #listMcpServers(turn: number): Promise<void> {
    const { api, directory } = this.#options;
    const servers = await api.mcpServers(directory).catch(() => []);
    this.dispatch({ type: 'MCP servers', turn, names: servers.map(({ name }) => name) });
  }

  async #explain(outcome: TurnOutcome): Promise<void> {
    const { api, agent, directory } = this.#options;
    const names = await api.agents(directory).catch(() => [agent]);
    const isUnknown = outcome.kind === 'failed' && !names.includes(agent);
    const explained = isUnknown ? { ...outcome, error: unknownAgent(agent, names) } : outcome;
    this.dispatch({ type: 'explained', outcome: explained });
  }

  #stop(turn: number | undefined): void {
    this.#stopping = this.#stopAll(turn);
    if (turn === undefined) return;
    this.#stopping.then(
      () => this.dispatch({ type: 'stopped', turn, ok: true }),
      () => this.dispatch({ type: 'stopped', turn, ok: false }),
    );
  }

  async #stopAll(turn: number | undefined): Promise<void> {
    await abortUntilIdle(this.#tree, () => this.#pending(turn), this.#options.now);
    const known = this.#state.projection.requests.open;
    this.dispatch({ type: 'dismiss requests' });
    const isOurs = (sessionId: string): boolean => this.#tree.has(sessionId);
    await rejectAll(this.#options, known, isOurs, (ids) =>
      this.dispatch({ type: 'requests dismissed', ids }),
    );
  }

  #pending(id: number | undefined): PendingWork {
    const { projection, turn } = this.#state;
    const background = projection.background.any;
    if (turn === undefined || turn.id !== id) {
      return { sending: false, accepted: false, stored: false, background };
    }
    const { sending, accepted, evidence } = turn;
    return { sending, accepted: accepted && !evidence.begun, stored: evidence.stored, background };
  }

  async #abortDeleted(): Promise<void> {
    await this.#tree.abort().catch(() => undefined);
    this.dispatch({ type: 'deleted session aborted' });
  }
}
