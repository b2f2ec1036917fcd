import type { TaskError } from '../../tasks/events.ts';
import type { TurnOutcome } from '../runner.ts';
import type { OpenCodeApi } from './api.ts';
import type { OpenTurn } from './open-turn.ts';

export interface SpoiltStartOptions {
  directory: string;
  api: OpenCodeApi;
  /** Has OpenCode start anew in the directory, where the bridge may do that. */
  renew: () => Promise<void>;
}

/**
 * How a turn came out, seen from outside of OpenCode. Where one that waits for MCP servers to start is aborted, OpenCode
 * 1.18.33 keeps that as their failure for the whole directory: others that wait break off with it, later ones at once.
 * So after such an abort by the bridge the directory's instance is started anew, and what broke off is no abort.
 */
export async function withoutBlame(
  turn: OpenTurn,
  outcome: TurnOutcome,
  { directory, api, renew }: SpoiltStartOptions,
): Promise<TurnOutcome> {
  const code = outcome.kind === 'failed' ? outcome.error.code : outcome.kind;
  const isStarting = turn.state.started && !turn.state.reached;
  if (!isStarting || !SPOILING.has(code) || !api.hasAborted(directory)) return outcome;
  if ((await api.mcpServers(directory).catch(() => [])).length === 0) return outcome;
  await renew();
  const isBlamed = outcome.kind === 'failed' && code === ABORTED;
  return isBlamed ? { ...outcome, error: BROKEN_OFF } : outcome;
}

const ABORTED = 'ABORTED_EXTERNALLY';
const SPOILING: ReadonlySet<string> = new Set([ABORTED, 'TURN_STALLED', 'interrupted']);

const BROKEN_OFF: TaskError = {
  code: 'TURN_NEVER_STARTED',
  message: 'OpenCode broke the turn off while MCP servers were starting for it, before the model was asked.',
};
