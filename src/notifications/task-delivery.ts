import type { DeliveryProgress } from '../store/delivery-store.ts';
import type { TaskEvent } from '../tasks/events.ts';

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** A sink that asks for a longer pause is called after this time. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;
/** The least time until a call that the sink asked for, so that a sink cannot keep the bridge busy. */
const LEAST_GAP_MS = 100;

/**
 * The delivery of one task to one sink: which events are missing there, and when the sink is called next.
 *
 *   idle      nothing is missing and the sink asked for no call
 *   waiting   a call is due at `nextCallAt`: at once for an urgent event, after the pace for others, or at `againAt`
 *   calling   `busy`: the call waits for a free place or runs
 *   retrying  the last call failed; the next one is due after a backoff, or when the sink asked for it
 *   settled   nothing more is delivered; the delivery is closed
 *
 *   opened by `created`               → waiting
 *   resumed at the start of a process → waiting for missing events or a stored `againAt`, else idle
 *   idle      → waiting    an event
 *   waiting   → calling    the time has come
 *   retrying  → calling    the time has come, new events do not shorten it
 *   calling   → idle       ack, nothing is missing
 *   calling   → waiting    ack, events are missing or the sink asked for a call
 *   calling   → retrying   error, time limit, or an ack that is not valid
 *   calling   → settled    ack `settled`; ack of the last event of a task that ended; an error that is final
 *   calling   → waiting    the oldest missing event is too old: all are skipped, and one call without events is due
 *   calling   → idle, or settled for a task that ended: a call without events failed for too long
 *   any       → closed     the task was removed; found by the next call
 */
export class TaskDelivery {
  readonly taskId: string;
  /** A call is queued or runs. */
  busy = false;
  /** Cancels the timer of the next call. */
  cancelTimer: (() => void) | undefined;
  #seq: number;
  #dueAt: number | null;
  #firstFailedAt: number | null;
  #attempts: number;
  #lastSeq: number;
  #urgentSeq = 0;
  /** The time of the oldest event that is missing. */
  #behindSince: number | undefined;
  #pacedUntil = 0;
  #retryAt: number | undefined;

  constructor({ taskId, seq, dueAt, firstFailedAt, attempts }: DeliveryProgress) {
    this.taskId = taskId;
    this.#seq = seq;
    this.#lastSeq = seq;
    this.#dueAt = dueAt;
    this.#firstFailedAt = firstFailedAt;
    this.#attempts = attempts;
  }

  static of(taskId: string): TaskDelivery {
    return new TaskDelivery({ taskId, seq: 0, dueAt: null, firstFailedAt: null, attempts: 0 });
  }

  get progress(): DeliveryProgress {
    return {
      taskId: this.taskId,
      seq: this.#seq,
      dueAt: this.#dueAt,
      firstFailedAt: this.#firstFailedAt,
      attempts: this.#attempts,
    };
  }

  /** The sink has accepted the events up to this one. */
  get seq(): number {
    return this.#seq;
  }

  /** How many events are missing. */
  get missing(): number {
    return this.#lastSeq - this.#seq;
  }

  /** When the oldest event that is missing happened. */
  get behindSince(): number | undefined {
    return this.#behindSince;
  }

  get failing(): boolean {
    return this.#attempts > 0;
  }

  /** Takes an event of the log, which may be one that it had before. */
  onEvent({ seq, at }: TaskEvent, urgent: boolean): void {
    if (seq <= this.#lastSeq) return;
    this.#lastSeq = seq;
    this.#behindSince ??= at;
    if (urgent) this.#urgentSeq = seq;
  }

  /** Continues what an earlier process left; missing events are delivered at once. */
  resume(lastSeq: number, oldest: TaskEvent | undefined): void {
    this.#lastSeq = lastSeq;
    this.#urgentSeq = lastSeq;
    this.#behindSince = oldest?.at;
  }

  /** When the next call is due; undefined while a call runs or there is no reason for one. */
  nextCallAt(): number | undefined {
    if (this.busy) return undefined;
    if (this.#retryAt !== undefined) return this.#retryAt;
    const events = this.#urgentSeq > this.#seq ? 0 : this.#pacedUntil;
    const times = [...(this.missing > 0 ? [events] : []), ...(this.#dueAt === null ? [] : [this.#dueAt])];
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The sink has accepted the events up to `seq`; `oldest` is the first one after that. */
  acknowledge(
    seq: number,
    againAt: number | undefined,
    oldest: TaskEvent | undefined,
    now: number,
    paceMs: number,
  ): void {
    this.#seq = seq;
    this.#lastSeq = Math.max(this.#lastSeq, seq);
    this.#behindSince = oldest?.at;
    this.#pacedUntil = now + paceMs;
    this.#dueAt = againAt === undefined ? null : Math.max(againAt, now + LEAST_GAP_MS);
    this.#succeed();
  }

  /** A call failed. The next one waits for a backoff that doubles, or longer where the sink asked for it. */
  fail(now: number, retryAfterMs: number | undefined, random: number): void {
    const step = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    this.#firstFailedAt ??= now;
    this.#retryAt =
      now + Math.max(step * (0.5 + random / 2), Math.min(retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS));
  }

  /** Skips all events so far. One call without events is due, in which the sink can clean up. */
  skip(lastSeq: number, now: number): void {
    this.acknowledge(lastSeq, now, undefined, now, 0);
  }

  /** How long calls have been failing. */
  failingFor(now: number): number {
    return this.#firstFailedAt === null ? 0 : now - this.#firstFailedAt;
  }

  /** Drops the call that the sink asked for. */
  clearDue(): void {
    this.#dueAt = null;
    this.#succeed();
  }

  #succeed(): void {
    this.#attempts = 0;
    this.#firstFailedAt = null;
    this.#retryAt = undefined;
  }
}
