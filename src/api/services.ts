import type { ExecutionManager } from '../execution/execution-manager.ts';
import type { DependencyHealth } from '../health.ts';

/** What every transport works with; the composition root provides it. */
export interface ApiServices {
  execution: ExecutionManager;
  /** The id of a task's workspace block. */
  blockId(taskId: string): string;
  /** A task's workspace block, once it exists. */
  block(taskId: string): Promise<{ artifacts: unknown[] } | undefined>;
  version: string;
  mode: string;
  /** Epoch milliseconds. */
  startedAt: number;
  dependencies(): DependencyHealth[];
  /** Tells why a task must not have a `callback_url`; absent: no task may have one. */
  callbackHosts?: { fault(url: string): string | undefined } | undefined;
}
