import type { WorkspaceBlock } from './block.ts';

/** Where workspace blocks are kept, together with how far into the log they reach. */
export interface WorkspaceMemory {
  /** Position in the log of the last event that is in the blocks; 0 before the first. */
  cursor(): number;
  load(taskId: string): WorkspaceBlock | undefined;
  /** Stores blocks by id and the position they reach, all or nothing. */
  save(blocks: ReadonlyMap<string, WorkspaceBlock>, position: number): void;
}
