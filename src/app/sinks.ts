import type { Config } from '../config/config.ts';
import type { WorkspaceManager } from '../memory/workspace-manager.ts';
import type { Sink } from '../notifications/sink.ts';
import type { Matrix } from './matrix.ts';

/** Whatever follows the log from outside. What is off is not even loaded. */
export async function sinks(
  { letta, workspace: { blockLimit } }: Config,
  workspace: WorkspaceManager,
  matrix: Matrix | undefined,
): Promise<Sink[]> {
  const { url, token, detachDelayMs } = letta;
  const all: Sink[] = matrix ? [matrix.sink] : [];
  if (url === undefined) return all;
  const { LettaSink } = await import('../notifications/letta/letta-sink.ts');
  const block = (taskId: string) => workspace.current(taskId);
  return [new LettaSink({ endpoint: { url, token }, block, blockLimit, detachDelayMs }), ...all];
}

/** Matrix, where it is on. */
export async function openMatrix(config: Config['matrix']): Promise<Matrix | undefined> {
  if (!config) return undefined;
  const { Matrix } = await import('./matrix.ts');
  return new Matrix(config);
}
