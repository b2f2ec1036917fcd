import { DeliveryError } from '../../delivery-error.ts';
import type { TaskEventKind } from '../../tasks/events.ts';
import { END_STATUSES, isEnd, type Task } from '../../tasks/task.ts';
import { wellFormed } from '../../text.ts';
import type { Ack, Batch, Sink } from '../sink.ts';
import { LettaApi, type LettaEndpoint } from './letta-api.ts';
import { LettaFailure } from './letta-failure.ts';
import { type Notes, notesOf } from './notes.ts';
import { beginningOf, outcomeMessage } from './outcome-message.ts';
import { TaskBlock } from './task-block.ts';

/** Each change of an attached block voids the agent's prompt cache, so mere progress comes together. */
const PACE_MS = 5_000;
const LIMIT_MS = 60_000;
/** A message can be read back once the agent's turn has begun. */
const DOUBT_MS = 30_000;
const LETTA_AGENT = /^agent-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export interface LettaSinkOptions {
  endpoint: LettaEndpoint;
  /** The task's workspace block with everything in it that is in the log by now. */
  block(taskId: string): Promise<object | undefined>;
  /** Characters of a block at most. */
  blockLimit: number;
  /** How long the block stays after the agent was told of the end. */
  detachDelayMs: number;
  now?: () => number;
  doubtMs?: number;
}

/**
 * Keeps each task's workspace block in the memory of its agent, one writer and the whole value each time, tells the
 * agent of the end, and takes the block away again.
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
    this.#options = { now: Date.now, doubtMs: DOUBT_MS, ...options };
    this.#api = new LettaApi(options.endpoint);
  }

  async deliver(batch: Batch): Promise<Ack> {
    const { task, signal } = batch;
    if (!LETTA_AGENT.test(task.agentId)) return { settled: true };
    const notes = notesOf(batch);
    const block = new TaskBlock(this.#api, task, this.#options.blockLimit, notes, signal);
    try {
      return await this.#deliver(batch, notes, block);
    } catch (thrown) {
      if (!(thrown instanceof LettaFailure && thrown.kind === 'agent_gone')) throw thrown;
      await block.remove();
      throw new DeliveryError(`Letta has no agent ${task.agentId}`, { final: true, cause: thrown });
    }
  }

  async #deliver({ task, events, signal }: Batch, notes: Notes, block: TaskBlock): Promise<Ack> {
    const ended = isEnd(task.status);
    const { now, detachDelayMs } = this.#options;
    if (events.length > 0) {
      if (notes.now.sendingAt === undefined) await block.write(await this.#value(task));
      if (ended) await this.#tell(task, notes, signal);
    }
    const upTo = events.length > 0 ? task.lastSeq : undefined;
    if (!ended) return { upTo };
    const againAt = (notes.now.toldAt ?? task.endedAt ?? 0) + detachDelayMs;
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
   * Letta takes the same message twice. So an attempt of which the outcome is not known is looked up among the
   * agent's messages, and made again only if it is not there.
   */
  async #tell(task: Task, notes: Notes, signal: AbortSignal): Promise<void> {
    const { now, doubtMs } = this.#options;
    const { toldAt, sendingAt } = notes.now;
    const otid = `${task.id}-outcome`;
    if (toldAt !== undefined) return;
    if (sendingAt !== undefined) {
      const wait = sendingAt + doubtMs - now();
      if (wait > 0) throw inDoubt(wait);
      if (await this.#api.wasTold(task.agentId, otid, beginningOf(task), signal)) {
        return notes.change({ toldAt: now() });
      }
    }
    notes.change({ sendingAt: now() }, true);
    try {
      await this.#api.tell(task.agentId, outcomeMessage(task), otid, signal);
    } catch (thrown) {
      const unsure = !(thrown instanceof LettaFailure) || thrown.kind === 'unsure';
      if (!unsure) notes.change({ sendingAt: undefined });
      throw thrown;
    }
    notes.change({ toldAt: now() });
  }
}

function inDoubt(retryAfterMs: number): DeliveryError {
  return new DeliveryError('Letta: whether the agent got the message is not known; it is looked up', {
    retryAfterMs,
  });
}
