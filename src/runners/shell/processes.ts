import { readFileSync, readlinkSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';

/** How many entries of /proc are looked at at a time. */
const AT_ONCE = 64;

/** Tells the processes of a task from all others (Linux). */
export interface ProcessMatcher {
  matches(pid: number): Promise<boolean>;
  /** The same at once, for right before a signal: meanwhile the id may be somebody else's. */
  matchesNow(pid: number): boolean;
}

/** Processes in a sandbox's namespace of process ids, as its link reads, but for the two that hold it. */
export function inNamespace(link: string): ProcessMatcher {
  const path = (pid: number): string => `/proc/${pid}/ns/pid`;
  const status = (pid: number): string => `/proc/${pid}/status`;
  return {
    matches: async (pid) =>
      (await readlink(path(pid)).catch(() => '')) === link &&
      !isHolder(await readFile(status(pid), 'utf8').catch(() => '')),
    matchesNow: (pid) =>
      attempt(() => readlinkSync(path(pid)) === link && !isHolder(readFileSync(status(pid), 'utf8'))),
  };
}

/** The first two of a namespace, which stay as long as it does. */
function isHolder(status: string): boolean {
  return Number(/^NSpid:.*\s(\d+)$/m.exec(status)?.[1] ?? 1) <= 2;
}

/** Processes with a variable of this value in their environment. */
export function withVariable(name: string, value: string): ProcessMatcher {
  const path = (pid: number): string => `/proc/${pid}/environ`;
  const has = (environment: string): boolean => environment.split('\0').includes(`${name}=${value}`);
  return {
    matches: async (pid) => has(await readFile(path(pid), 'utf8').catch(() => '')),
    matchesNow: (pid) => attempt(() => has(readFileSync(path(pid), 'utf8'))),
  };
}

/** The ids of all members, in no order that means anything. */
export async function findProcesses(membership: ProcessMatcher): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter(Number.isInteger);
  const found: number[] = [];
  for (let start = 0; start < pids.length; start += AT_ONCE) {
    const some = pids.slice(start, start + AT_ONCE);
    const are = await Promise.all(some.map((pid) => membership.matches(pid)));
    found.push(...some.filter((_, index) => are[index]));
  }
  return found.filter((pid) => pid !== process.pid);
}

/** Sends a signal to those of the ids that still are members; others get their turn in between. */
export async function signalProcesses(
  pids: readonly number[],
  membership: ProcessMatcher,
  name: NodeJS.Signals,
): Promise<void> {
  for (const [index, pid] of pids.entries()) {
    if (index % AT_ONCE === 0) await turn();
    if (membership.matchesNow(pid)) attempt(() => process.kill(pid, name));
  }
}

/** When a process was started, in clock ticks since the machine was; undefined where there is none. */
export async function startTimeOf(pid: number): Promise<number | undefined> {
  const fields = (await statOf(pid))?.fields;
  return fields === undefined ? undefined : Number(fields[19]);
}

/** State of a process (a letter) and all fields from it on; undefined where there is none. */
async function statOf(pid: number): Promise<{ state: string; fields: string[] } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', fields };
}

/** Whether a process runs; one that only waits to be collected does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await statOf(pid);
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
}

/** Whether a process runs no code of its own any more, be it that nobody has collected it. */
export async function isExiting(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')) === '';
}

function attempt(action: () => boolean): boolean {
  try {
    return action();
  } catch {
    return false;
  }
}
