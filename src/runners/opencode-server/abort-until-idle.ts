import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError } from '../../errors.ts';
import type { ActiveTurn } from './active-turn.ts';
import type { SessionTree } from './session-tree.ts';

const STOP_LIMIT_MS = 10_000;
const STOP_POLL_MS = 25;
/** A prompt that OpenCode has stored begins within this time, or an abort has come before it. */
const BEGIN_LIMIT_MS = 1_000;

/**
 * Aborts every session of the tree until OpenCode itself says that none is at work; throws where it goes on.
 * An abort before OpenCode has begun with a prompt that it has taken may or may not keep it from beginning.
 */
export async function abortUntilIdle(
  tree: SessionTree,
  turn: ActiveTurn | undefined,
  now: () => number,
): Promise<void> {
  const deadline = now() + STOP_LIMIT_MS;
  let sending = turn?.sending !== undefined;
  turn?.sending?.finally(() => (sending = false));
  let begins = deadline;
  const wakes = tree.background.any;
  while (now() <= deadline) {
    await tree.abort();
    const idle = (await tree.busy()).length === 0;
    if (turn?.state.stored) begins = Math.min(begins, now() + BEGIN_LIMIT_MS);
    // A background subagent that was just done wakes the session still; one that is aborted does not.
    if (wakes) begins = Math.min(begins, now() + BEGIN_LIMIT_MS);
    const mayBegin =
      sending || (turn?.accepted === true && !turn.state.begun) || (wakes && tree.background.any);
    if (idle && (!mayBegin || now() > begins)) return tree.dismissRequests();
    await sleep(STOP_POLL_MS);
  }
  throw new BridgeError('ENGINE_ERROR', 'OpenCode was told to stop the session but is still at work on it.');
}
