import type { DeliveryProgress } from '../store/delivery-store.ts';
import type { TaskEvent } from '../tasks/events.ts';

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** Whoever asks for longer is asked again then. */
const LONGEST_ASKED_MS = 3_600_000;
/** A sink that wants to be called again at once could take all the time there is. */
const LEAST_GAP_MS = 100;

/** One task on its way to one sink: what is missing there, and when the sink is called next. */
export class TaskDelivery {
  readonly taskId: string;
  /** A call is under way or stands in line. */
  busy = false;
  /** Takes the timer back that waits for the next call. */
  unplan: (() => void) | undefined;
  #seq: number;
  #dueAt: number | null;
  #firstFailedAt: number | null;
  #attempts: number;
  #lastSeq: number;
  #urgentSeq = 0;
  /** Of the oldest event that is missing. */
  #behindSince: number | undefined;
  #restUntil = 0;
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

  /** The sink has the events up to this one. */
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

  /** There is one more event, or one that was there before. */
  heard({ seq, at }: TaskEvent, urgent: boolean): void {
    if (seq <= this.#lastSeq) return;
    this.#lastSeq = seq;
    this.#behindSince ??= at;
    if (urgent) this.#urgentSeq = seq;
  }

  /** What an earlier process left to be told: at once. */
  resume(lastSeq: number, oldest: TaskEvent | undefined): void {
    this.#lastSeq = lastSeq;
    this.#urgentSeq = lastSeq;
    this.#behindSince = oldest?.at;
  }

  /** When the sink is to be called next; undefined: when something happens. */
  nextAt(): number | undefined {
    if (this.busy) return undefined;
    if (this.#retryAt !== undefined) return this.#retryAt;
    const events = this.#urgentSeq > this.#seq ? 0 : this.#restUntil;
    const times = [...(this.missing > 0 ? [events] : []), ...(this.#dueAt === null ? [] : [this.#dueAt])];
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The sink has taken the events up to `seq`; `oldest`: the one behind that. */
  taken(
    seq: number,
    againAt: number | undefined,
    oldest: TaskEvent | undefined,
    now: number,
    paceMs: number,
  ): void {
    this.#seq = seq;
    this.#lastSeq = Math.max(this.#lastSeq, seq);
    this.#behindSince = oldest?.at;
    this.#restUntil = now + paceMs;
    this.#dueAt = againAt === undefined ? null : Math.max(againAt, now + LEAST_GAP_MS);
    this.#succeed();
  }

  /** The sink has failed. It is left alone for a time that doubles, and for as long as it asked. */
  failed(now: number, retryAfterMs: number | undefined, random: number): void {
    const step = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    this.#firstFailedAt ??= now;
    this.#retryAt = now + Math.max(step * (0.5 + random / 2), Math.min(retryAfterMs ?? 0, LONGEST_ASKED_MS));
  }

  /** Nothing that happened so far is told any more; the sink is called once, to put its side in order. */
  skip(lastSeq: number, now: number): void {
    this.taken(lastSeq, now, undefined, now, 0);
  }

  /** How long the failures go on. */
  failingFor(now: number): number {
    return this.#firstFailedAt === null ? 0 : now - this.#firstFailedAt;
  }

  /** The sink is no longer called for what it asked for. */
  forget(): void {
    this.#dueAt = null;
    this.#succeed();
  }

  #succeed(): void {
    this.#attempts = 0;
    this.#firstFailedAt = null;
    this.#retryAt = undefined;
  }
}
