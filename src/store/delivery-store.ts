/** How far the delivery of one task to one sink is. Times are epoch milliseconds. */
export interface DeliveryProgress {
  readonly taskId: string;
  /** The sink has accepted the events up to this one. */
  readonly seq: number;
  /** When the sink asked to be called again; null where it did not. */
  readonly dueAt: number | null;
  /** When the current series of failures began; null while there is none. */
  readonly firstFailedAt: number | null;
  /** Failures since the last success. */
  readonly attempts: number;
}

/**
 * The stored side of the deliveries to one sink: a cursor into the log, and a row for each task.
 * A power loss may undo the latest calls, and their events are delivered again. Only `saveState` can wait for the disk.
 */
export interface DeliveryStore {
  /** The position up to which the log was searched for new tasks; the first call sets it to the end of the log. */
  openCursor(): number;
  /** Adds a delivery for each task and moves the cursor, all or nothing. Returns the ids that had no delivery yet. */
  add(taskIds: readonly string[], position: number): string[];
  /** The deliveries that are not settled, ordered by task id. Each page is read when it is requested. */
  open(pageSize: number): Iterable<DeliveryProgress[]>;
  save(progress: DeliveryProgress): void;
  /** Marks the delivery as complete: `open` no longer returns it. */
  settle(taskId: string, seq: number): void;
  /** Counts that some events of the task will never be delivered. */
  countGivenUp(taskId: string): void;
  /** The sum of `countGivenUp` over all tasks that still exist. */
  givenUpCount(): number;
  /** The state that the sink saved for the task; null before the first. */
  state(taskId: string): unknown;
  /** `durably`: returns when the state is on disk, so that the next call of the sink cannot happen twice. */
  saveState(taskId: string, state: object, durably: boolean): void;
}
