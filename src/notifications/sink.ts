import type { TaskEvent, TaskEventKind } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';

/**
 * Somewhere outside that is told what happens to tasks. Whatever a sink does, it can only hurt itself: it may be
 * slow, fail, hang or throw, and is called again for the same events until it has taken them.
 */
export interface Sink {
  /** Under which its progress is stored, and shown in health and logs. */
  readonly name: string;
  /** What is told at once. Everything else waits until `paceMs` after the call before, and comes together. */
  readonly urgent: ReadonlySet<TaskEventKind>;
  readonly paceMs: number;
  /** How long one call may take. */
  readonly limitMs: number;
  /** Takes what is new of one task; never called twice at once for the same task. Rejects to be called again. */
  deliver(batch: Batch): Promise<Ack>;
}

/** What is new of one task. */
export interface Batch {
  /** The task as it is now, which may be ahead of the events. */
  readonly task: Task;
  /** In order, the oldest that the sink has not taken first; none on a call that the sink asked for by `againAt`. */
  readonly events: readonly TaskEvent[];
  /** What the sink kept for this task last; null at first. */
  readonly notes: unknown;
  /**
   * Stores notes for this task, which outlive this process; `durably`: a power loss too, which takes its time.
   * Throws where the call has been given up meanwhile.
   */
  save(notes: object, durably?: boolean): void;
  /** Aborts when the call takes too long and when the bridge stops. */
  readonly signal: AbortSignal;
}

/** What became of a batch. */
export interface Ack {
  /** The number of the last event that was taken; absent: of the last one in the batch. */
  readonly upTo?: number | undefined;
  /** When to be called again even if nothing happens, in epoch milliseconds. */
  readonly againAt?: number | undefined;
  /** Nothing more of this task has to be told, ever. */
  readonly settled?: boolean | undefined;
}
