import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError } from '../../errors.ts';
import type { SessionTree } from './session-tree.ts';

const STOP_LIMIT_MS = 10_000;
const STOP_POLL_MS = 25;
/** A prompt that OpenCode has stored begins within this time, or an abort has come before it. */
const BEGIN_LIMIT_MS = 1_000;

/** What may still begin although OpenCode is idle. */
export interface PendingWork {
  /** The prompt is on its way. */
  sending: boolean;
  /** OpenCode has accepted the prompt and has not begun with it. */
  accepted: boolean;
  /** The prompt is on record. */
  stored: boolean;
  /** Subagents are at work in the background, or have just ended. */
  background: boolean;
}

/**
 * Aborts every session of the tree until OpenCode itself says that none is at work; throws where one goes on.
 * An abort before OpenCode has begun with a prompt that it has accepted may or may not keep it from beginning.
 */
export async function abortUntilIdle(
  tree: SessionTree,
  pending: () => PendingWork,
  now: () => number,
): Promise<void> {
  const deadline = now() + STOP_LIMIT_MS;
  let begins = deadline;
  const wakes = pending().background;
  while (now() <= deadline) {
    await tree.abort();
    const idle = (await tree.busy()).length === 0;
    const { sending, accepted, stored, background } = pending();
    // A background subagent that has just ended wakes the session still; one that is aborted does not.
    if (stored || wakes) begins = Math.min(begins, now() + BEGIN_LIMIT_MS);
    const mayBegin = sending || accepted || (wakes && background);
    if (idle && (!mayBegin || now() > begins)) return;
    await sleep(STOP_POLL_MS);
  }
  throw new BridgeError('ENGINE_ERROR', 'OpenCode did not stop the session; it is still busy.');
}
