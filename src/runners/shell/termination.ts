import { setTimeout as sleep } from 'node:timers/promises';
import { findProcesses, isAlive, type ProcessMatcher, signalProcesses } from './processes.ts';

/** How long processes have to exit after SIGTERM. */
const GRACE_MS = 1_000;
const POLL_MS = 20;
/** Processes can start others while they are killed, so killing is repeated at most so often. */
const MAX_ROUNDS = 20;

/** Sends SIGTERM to the processes and waits at most one second until they have exited. */
export async function terminate(pids: readonly number[], matcher: ProcessMatcher): Promise<void> {
  await signalProcesses(pids, matcher, 'SIGTERM');
  let remaining = pids;
  for (const deadline = Date.now() + GRACE_MS; Date.now() < deadline; ) {
    const alive = await Promise.all(remaining.slice(0, 64).map((pid) => isAlive(pid)));
    remaining = [...remaining.slice(0, 64).filter((_, index) => alive[index]), ...remaining.slice(64)];
    if (remaining.length === 0) return;
    await sleep(POLL_MS);
  }
}

/** Kills all matching processes, also those that they start meanwhile; returns how many are left. */
export async function killAll(matcher: ProcessMatcher): Promise<number> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const pids = await findRunning(matcher);
    if (pids.length === 0) return 0;
    await signalProcesses(pids, matcher, 'SIGKILL');
    await sleep(POLL_MS);
  }
  return (await findRunning(matcher)).length;
}

/** The matching processes that run; zombies do not. */
export async function findRunning(matcher: ProcessMatcher): Promise<number[]> {
  const pids = await findProcesses(matcher);
  const are = await Promise.all(pids.map((pid) => isAlive(pid)));
  return pids.filter((_, index) => are[index]);
}
