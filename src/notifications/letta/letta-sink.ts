import { DeliveryError } from '../../delivery-error.ts';
import type { TaskEventKind } from '../../tasks/events.ts';
import { END_STATUSES, isEnd, type Task } from '../../tasks/task.ts';
import { wellFormed } from '../../text.ts';
import type { Ack, Batch, Sink } from '../sink.ts';
import { LettaApi, type LettaEndpoint } from './letta-api.ts';
import { LettaFailure } from './letta-failure.ts';
import { type LettaState, lettaState } from './letta-state.ts';
import { outcomeMessage, outcomePrefix } from './outcome-message.ts';
import { TaskBlock } from './task-block.ts';

/** Each change of an attached block invalidates the agent's prompt cache, so progress is collected. */
const PACE_MS = 5_000;
const LIMIT_MS = 60_000;
/** Letta lists a message once the agent's turn has begun; before that a lookup proves nothing. */
const LOOKUP_DELAY_MS = 30_000;
const LETTA_AGENT = /^agent-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export interface LettaSinkOptions {
  endpoint: LettaEndpoint;
  /** The task's workspace block, complete up to the end of the log. */
  block(taskId: string): Promise<object | undefined>;
  /** Maximum length of a block in characters. */
  blockLimit: number;
  /** How long the block stays after the agent was notified of the end. */
  detachDelayMs: number;
  now?: () => number;
  lookupDelayMs?: number;
}

/**
 * Writes each task's workspace block into the memory of its agent, always the whole value, sends the agent a message
 * when the task has ended, and removes the block after a delay. The bridge is the only writer of the block.
 */
export class LettaSink implements Sink {
  readonly name = 'letta';
  readonly urgent: ReadonlySet<TaskEventKind> = new Set<TaskEventKind>([
    'created',
    'started',
    'request_opened',
    'request_closed',
    'paused',
    'resumed',
    ...END_STATUSES,
  ]);
  readonly paceMs = PACE_MS;
  readonly limitMs = LIMIT_MS;
  readonly #options: Required<LettaSinkOptions>;
  readonly #api: LettaApi;

  constructor(options: LettaSinkOptions) {
    this.#options = { now: Date.now, lookupDelayMs: LOOKUP_DELAY_MS, ...options };
    this.#api = new LettaApi(options.endpoint);
  }

  async deliver(batch: Batch): Promise<Ack> {
    const { task, signal } = batch;
    if (!LETTA_AGENT.test(task.agentId)) return { settled: true };
    const state = lettaState(batch);
    const block = new TaskBlock(this.#api, task, this.#options.blockLimit, state, signal);
    try {
      return await this.#deliver(batch, state, block);
    } catch (thrown) {
      if (!(thrown instanceof LettaFailure && thrown.kind === 'agent_gone')) throw thrown;
      await block.remove();
      throw new DeliveryError(`Letta has no agent ${task.agentId}`, { final: true, cause: thrown });
    }
  }

  async #deliver({ task, events, signal }: Batch, state: LettaState, block: TaskBlock): Promise<Ack> {
    const ended = isEnd(task.status);
    const { now, detachDelayMs } = this.#options;
    if (events.length > 0) {
      if (state.now.sendingAt === undefined) await block.write(await this.#value(task));
      if (ended) await this.#notifyAgent(task, state, signal);
    }
    const upTo = events.length > 0 ? task.lastSeq : undefined;
    if (!ended) return { upTo };
    const againAt = (state.now.toldAt ?? task.endedAt ?? 0) + detachDelayMs;
    if (now() < againAt) return { upTo, againAt };
    await block.remove();
    return { settled: true };
  }

  async #value(task: Task): Promise<string> {
    const block = await this.#options.block(task.id);
    if (!block) throw new DeliveryError(`${task.id} has no workspace block`);
    return JSON.stringify(wellFormed(block));
  }

  /**
   * Letta does not reject a message that is sent twice. After an attempt whose outcome is not known, the message is
   * looked up among the agent's messages and sent again only if it is not there.
   */
  async #notifyAgent(task: Task, state: LettaState, signal: AbortSignal): Promise<void> {
    const { now, lookupDelayMs } = this.#options;
    const { toldAt, sendingAt } = state.now;
    const otid = `${task.id}-outcome`;
    if (toldAt !== undefined) return;
    if (sendingAt !== undefined) {
      const wait = sendingAt + lookupDelayMs - now();
      if (wait > 0) throw outcomeUnknown(wait);
      if (await this.#api.hasMessage(task.agentId, otid, outcomePrefix(task), signal)) {
        return state.change({ toldAt: now() });
      }
    }
    state.change({ sendingAt: now() }, true);
    try {
      await this.#api.sendMessage(task.agentId, outcomeMessage(task), otid, signal);
    } catch (thrown) {
      const unsure = !(thrown instanceof LettaFailure) || thrown.kind === 'unsure';
      if (!unsure) state.change({ sendingAt: undefined });
      throw thrown;
    }
    state.change({ toldAt: now() });
  }
}

function outcomeUnknown(retryAfterMs: number): DeliveryError {
  return new DeliveryError('Letta: it is not known whether the agent got the message; it will be looked up', {
    retryAfterMs,
  });
}
