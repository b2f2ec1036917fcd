/** A task that has ended, with what its removal needs. */
export interface EndedTask {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly endedAt: number;
  readonly directory: string;
  /** Whether the bridge made the directory. */
  readonly ownsDirectory: boolean;
}

/** Removes ended tasks from the store, in steps. A crash between two steps loses nothing: the next round continues. */
export interface TaskRemovals {
  /**
   * Tasks that ended before `endedBefore`, in the order of their ends, those after `after`. A task whose idempotency
   * key is younger than `keysBefore` is left out.
   */
  due(endedBefore: number, keysBefore: number, after: EndedTask | undefined, limit: number): EndedTask[];
  /** Hidden tasks whose removal is not complete, in the same order. */
  begun(after: EndedTask | undefined, limit: number): EndedTask[];
  /**
   * What to do with the task's folder. `keep`: it is the caller's, or another task that continues in it will remove it.
   * `wait`: a task that cannot remove it works in it, below it or above it.
   */
  folder(task: EndedTask): 'remove' | 'keep' | 'wait';
  /** Hides an ended task from every caller; undefined for a task that has not ended or is gone. */
  hide(taskId: string): EndedTask | undefined;
  /** Whether events of the task are still to be delivered to a sink, as far as the store knows. */
  hasOpenDeliveries(taskId: string): boolean;
  /**
   * Removes up to `limit` events of a hidden task, the latest first. The step that removes the last event also removes
   * the task and everything else that is stored for it. Returns whether the task is gone.
   */
  remove(taskId: string, limit: number): boolean;
}
