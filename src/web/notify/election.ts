/** The part of `navigator.locks` that is needed; it is there over https and on this machine only. */
export interface Locks {
  request<T>(
    name: string,
    options: { signal: AbortSignal; mode?: 'exclusive' | 'shared' },
    work: () => Promise<T>,
  ): Promise<T>;
  query(): Promise<{ held?: { name?: string }[] }>;
}

/**
 * Runs `lead` in one of all tabs, until `signal` aborts: the browser gives the lock to one, and to another when that
 * tab is closed, crashes or navigates away.
 *
 *     waiting   the lock is free    → leading
 *     leading   lead() ends, abort  → over
 *     waiting   abort               → over
 */
export async function electLeader(
  locks: Locks,
  name: string,
  signal: AbortSignal,
  lead: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  try {
    await locks.request(name, { signal }, () => lead(signal));
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}

/** Says that a task is looked at, until `signal` aborts; several tabs may say so of one task. */
export async function showAsSeen(locks: Locks, taskId: string, signal: AbortSignal): Promise<void> {
  const over = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  try {
    await locks.request(seen(taskId), { signal, mode: 'shared' }, () => over);
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}

/** Whether some tab shows the task to a person just now. */
export async function isSeen(locks: Locks, taskId: string): Promise<boolean> {
  const { held = [] } = await locks.query();
  return held.some(({ name }) => name === seen(taskId));
}

function seen(taskId: string): string {
  return `seen ${taskId}`;
}
