import type { TaskError } from '../../tasks/events.ts';
import type { TurnOutcome } from '../runner.ts';
import type { ActiveTurn } from './active-turn.ts';
import type { OpenCodeApi } from './api.ts';

export interface AbortedStartOptions {
  directory: string;
  api: OpenCodeApi;
  /** Has OpenCode start anew in the directory, where the bridge may do that. */
  renew: () => Promise<void>;
}

/**
 * How a turn came out, seen from outside of OpenCode. OpenCode 1.18.33 loads the tools and MCP servers of a directory in
 * its first turn there. An abort meanwhile is kept as their failure for the whole directory: turns that wait for them
 * break off with it, later ones at once. So after such an abort by the bridge the directory's instance is started anew,
 * and what broke off is no abort.
 */
export async function discountAbortedStart(
  turn: ActiveTurn,
  outcome: TurnOutcome,
  { directory, api, renew }: AbortedStartOptions,
): Promise<TurnOutcome> {
  const code = outcome.kind === 'failed' ? outcome.error.code : outcome.kind;
  const isStarting = turn.state.started && !turn.state.reached;
  if (!isStarting || !SPOILING.has(code) || !api.hasAborted(directory)) return outcome;
  await renew();
  const isBlamed = outcome.kind === 'failed' && code === ABORTED;
  return isBlamed ? { ...outcome, error: BROKEN_OFF } : outcome;
}

const ABORTED = 'ABORTED_EXTERNALLY';
const SPOILING: ReadonlySet<string> = new Set([ABORTED, 'TURN_STALLED', 'interrupted']);

const BROKEN_OFF: TaskError = {
  code: 'TURN_NEVER_STARTED',
  message: 'OpenCode broke the turn off while it was starting in the folder, before the model was asked.',
};
