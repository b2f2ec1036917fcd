import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, messageOf, toBridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { TaskEventBody } from '../../tasks/events.ts';
import { failed, unknownAgent } from '../opencode-protocol/translate.ts';
import type { OpenCodeEvent } from '../opencode-protocol/wire.ts';
import type { TurnOutcome } from '../runner.ts';
import type { ActiveTurn } from './active-turn.ts';
import type { OpenCodeApi } from './api.ts';
import type { EventStream } from './event-stream.ts';
import type { SessionTree } from './session-tree.ts';
import type { Verdict } from './turn-state.ts';

const REREAD_MS = 1_000;
/** After this the records are tried without a stream. */
const STREAM_LIMIT_MS = 15_000;
/** How long a prompt may take to begin after an error that may belong to the turn before it. */
const DOUBT_MS = 1_000;
/** What will not be otherwise at the next reading: the session is gone, the password has changed. */
const LASTING: ReadonlySet<ErrorCode> = new Set(['ENGINE_NOT_FOUND', 'ENGINE_UNAUTHORIZED']);

export interface SessionReconcilerOptions {
  directory: string;
  agent: string;
  api: OpenCodeApi;
  stream: EventStream;
  emit: (...events: TaskEventBody[]) => void;
  logger: Logger;
}

/**
 * OpenCode's records of a task's sessions: tells what they hold, and decides by them how a turn comes out.
 * What they tell is older than what is heard while they are read, and so comes first in the log.
 */
export class SessionReconciler {
  readonly #tree: SessionTree;
  readonly #options: SessionReconcilerOptions;
  readonly #onEvent: (event: OpenCodeEvent) => void;
  /** Readings under way, and the events that came meanwhile. */
  #readings = 0;
  #held: OpenCodeEvent[] = [];
  #deciding = false;
  /** The turn to decide next; absent once its reading has begun. */
  #undecided: ActiveTurn | undefined;
  #closed = false;

  constructor(tree: SessionTree, options: SessionReconcilerOptions, onEvent: (event: OpenCodeEvent) => void) {
    this.#tree = tree;
    this.#options = options;
    this.#onEvent = onEvent;
  }

  /** Whether the records are being asked how the turn comes out: a gap may have swallowed events. */
  get deciding(): boolean {
    return this.#deciding;
  }

  /** Hands the event on, after what is being read. */
  onEvent(event: OpenCodeEvent): void {
    if (this.#readings > 0) this.#held.push(event);
    else this.#onEvent(event);
  }

  /** Tells what happened between the last event of the log and now. */
  catchUp(firstPromptId: string): Promise<void> {
    return this.#beforeEvents(async () => this.#options.emit(...(await this.#tree.catchUp(firstPromptId))));
  }

  /** Tells what happened in the turn, and how that looks. */
  read({ request, state }: ActiveTurn): Promise<Verdict> {
    return this.#beforeEvents(async () => {
      const { events, snapshot } = await this.#tree.snapshot(request.messageId);
      this.#options.emit(...events);
      for (const { info, parts } of snapshot.messages) {
        for (const part of parts) if (part.type === 'text') state.onText(info.id, part.id, part.text);
      }
      return state.judge(snapshot);
    });
  }

  /** Settles the turn if the records say that it is over; reads until they can be read, one reading at a time. */
  reconcile(turn: ActiveTurn | undefined): void {
    this.#undecided = turn;
    if (!this.#deciding) this.#beforeEvents(() => this.#decide());
  }

  close(): void {
    this.#closed = true;
  }

  async #decide(): Promise<void> {
    this.#deciding = true;
    try {
      await this.#decideAll();
    } finally {
      this.#deciding = false;
    }
  }

  async #decideAll(): Promise<void> {
    for (let turn = this.#undecided; turn && !turn.settled && !this.#closed; turn = this.#undecided) {
      this.#undecided = undefined;
      try {
        await this.#reachable();
        const verdict = await this.#believed(turn);
        if (typeof verdict === 'object') turn.settle(await this.#explained(verdict));
      } catch (thrown) {
        if (LASTING.has(toBridgeError(thrown).code)) return turn.settle(failed(thrown));
        this.#options.logger.warn(
          { err: messageOf(thrown) },
          "OpenCode's records cannot be read; trying again",
        );
        this.#undecided ??= turn;
        await sleep(REREAD_MS, undefined, { ref: false });
      }
    }
  }

  async #beforeEvents<T>(read: () => Promise<T>): Promise<T> {
    this.#readings += 1;
    try {
      return await read();
    } finally {
      this.#readings -= 1;
      if (this.#readings === 0) for (const event of this.#held.splice(0)) this.onEvent(event);
    }
  }

  /** A server that is starting never answers what it is asked too early; its stream tells when it has started. */
  async #reachable(): Promise<void> {
    const patience = sleep(STREAM_LIMIT_MS, undefined, { ref: false });
    await Promise.race([this.#options.stream.ready(), patience]);
  }

  /** A failure is believed when it is read twice: status and messages are not of one moment. */
  async #believed(turn: ActiveTurn): Promise<Verdict> {
    const verdict = await this.read(turn);
    if (typeof verdict !== 'object' || verdict.kind !== 'failed') return verdict;
    if (!turn.state.started) await sleep(DOUBT_MS, undefined, { ref: false });
    return this.read(turn);
  }

  /** OpenCode says no more than "UnknownError" of an agent it does not know. */
  async #explained(outcome: TurnOutcome): Promise<TurnOutcome> {
    const { api, agent, directory } = this.#options;
    if (outcome.kind !== 'failed' || outcome.error.code !== 'ENGINE_ERROR') return outcome;
    const names = await api.agents(directory).catch(() => [agent]);
    return names.includes(agent) ? outcome : { ...outcome, error: unknownAgent(agent, names) };
  }
}
