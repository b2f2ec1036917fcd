import { setTimeout as sleep } from 'node:timers/promises';
import { findProcesses, isAlive, type ProcessMatcher, signalProcesses } from './processes.ts';

/** How long processes have to end by themselves after SIGTERM. */
const GRACE_MS = 1_000;
const POLL_MS = 20;
/** What starts others while it is being ended is looked for again, so often at most. */
const ROUNDS = 20;

/** Asks all members to end, and waits until they have, for a second at most. */
export async function terminate(pids: readonly number[], membership: ProcessMatcher): Promise<void> {
  await signalProcesses(pids, membership, 'SIGTERM');
  let left = pids;
  for (const deadline = Date.now() + GRACE_MS; Date.now() < deadline; ) {
    const alive = await Promise.all(left.slice(0, 64).map((pid) => isAlive(pid)));
    left = [...left.slice(0, 64).filter((_, index) => alive[index]), ...left.slice(64)];
    if (left.length === 0) return;
    await sleep(POLL_MS);
  }
}

/** Kills all members, also those that they start meanwhile; how many there are after all. */
export async function killAll(membership: ProcessMatcher): Promise<number> {
  for (let round = 0; round < ROUNDS; round++) {
    const pids = await findRunning(membership);
    if (pids.length === 0) return 0;
    await signalProcesses(pids, membership, 'SIGKILL');
    await sleep(POLL_MS);
  }
  return (await findRunning(membership)).length;
}

/** The members that run; those that only wait to be collected do not. */
export async function findRunning(membership: ProcessMatcher): Promise<number[]> {
  const pids = await findProcesses(membership);
  const are = await Promise.all(pids.map((pid) => isAlive(pid)));
  return pids.filter((_, index) => are[index]);
}
