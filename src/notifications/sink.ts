import type { TaskEvent, TaskEventKind } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';

/**
 * An outside system that is notified of what happens to tasks. A sink may be slow, fail, hang or throw: this delays
 * only its own deliveries. It is called again with the same events until it has accepted them.
 */
export interface Sink {
  /** Identifies the sink in the store, in health and in logs. */
  readonly name: string;
  /** Kinds that are delivered at once. All others are collected until `paceMs` after the last call for the task. */
  readonly urgent: ReadonlySet<TaskEventKind>;
  readonly paceMs: number;
  /** Time limit of one call. */
  readonly limitMs: number;
  /** Delivers the new events of one task. There is one call at a time for a task. A call that rejects is retried. */
  deliver(batch: Batch): Promise<Ack>;
}

/** The new events of one task. */
export interface Batch {
  /** The task as it is now, which may be ahead of the events. */
  readonly task: Task;
  /** In order, from the oldest that the sink has not accepted; empty on a call that the sink asked for by `againAt`. */
  readonly events: readonly TaskEvent[];
  /** The state that the sink saved last for this task; null at first. */
  readonly state: unknown;
  /**
   * Stores the sink's state for this task, so that it survives the process; `durably`: also a power loss, which is
   * slower. Throws after the call has ended.
   */
  save(state: object, durably?: boolean): void;
  /** Aborts when the call takes too long and when the bridge stops. */
  readonly signal: AbortSignal;
}

/** The answer of a sink to a batch. */
export interface Ack {
  /** The `seq` of the last event that was accepted; absent: the last one in the batch. */
  readonly upTo?: number | undefined;
  /** When to call again even without new events, in epoch milliseconds. */
  readonly againAt?: number | undefined;
  /** The sink needs no more events of this task. */
  readonly settled?: boolean | undefined;
}
