import type { TaskOwner } from '../../tasks/task.ts';
import type { ToolServices } from '../tool.ts';

/** Who asks for resources or prompts. A URI has no place for an `agent_id`. */
export interface ResourceCaller {
  readonly services: ToolServices;
  /** Whose tasks it may name by their id; undefined: those of every agent. */
  owner(): TaskOwner;
  /** Whose tasks are listed to it. */
  agentId(): string;
  /** Whether a header says who it is: caches of clients do not tell such callers apart. */
  readonly isNamedByHeader: boolean;
}
