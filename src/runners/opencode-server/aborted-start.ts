import type { TaskError } from '../../tasks/events.ts';
import type { TurnOutcome } from '../runner.ts';
import type { OpenCodeApi } from './api.ts';
import type { FolderInstance } from './instances.ts';
import type { TurnState } from './turn-state.ts';

export interface AbortedStartOptions {
  directory: string;
  api: OpenCodeApi;
  folder: FolderInstance;
}

/**
 * How a turn came out, without the effects of the bridge's own aborts. OpenCode 1.18.33 loads the tools and MCP servers
 * of a directory in its first turn there. It keeps an abort during that as their failure for the whole directory: turns
 * that wait for them fail with it, later ones at once. So after such an abort by the bridge the directory's instance is
 * restarted, and a turn that failed with it was not aborted by somebody else. `instance`: the one the turn started in.
 */
export async function discountAbortedStart(
  evidence: TurnState | undefined,
  outcome: TurnOutcome,
  instance: number,
  { directory, api, folder }: AbortedStartOptions,
): Promise<TurnOutcome> {
  const code = outcome.kind === 'failed' ? outcome.error.code : outcome.kind;
  const isStarting = evidence?.started === true && !evidence.reached;
  if (!isStarting || !ABORTING.has(code) || !api.hasAborted(directory, instance)) return outcome;
  await folder.renew();
  const isFailed = outcome.kind === 'failed' && code === ABORTED;
  return isFailed ? { ...outcome, error: FAILED_START } : outcome;
}

const ABORTED = 'ABORTED_EXTERNALLY';
const ABORTING: ReadonlySet<string> = new Set([ABORTED, 'TURN_STALLED', 'interrupted']);

const FAILED_START: TaskError = {
  code: 'TURN_NEVER_STARTED',
  message: 'OpenCode aborted the turn while it was starting in the folder, before the model was asked.',
};
