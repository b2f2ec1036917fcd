/** A workspace block as JSON; its form belongs to `memory/`. */
export interface StoredBlock {
  readonly task_id: string;
}

/** Workspace blocks, together with the position in the log up to which they are complete. */
export interface BlockStore {
  /** Position of the last event that is in the blocks; 0 before the first. */
  cursor(): number;
  /** The block of a task as it was saved, not parsed; undefined where there is none. */
  load(taskId: string): unknown;
  /** Stores blocks by id together with the position, all or nothing. A power loss may undo the latest calls. */
  save(blocks: ReadonlyMap<string, StoredBlock>, position: number): void;
}
