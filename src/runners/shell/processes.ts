import { readFileSync, readlinkSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';

/** How many entries of /proc are read at the same time. */
const BATCH_SIZE = 64;

/** Recognizes the processes of a task (Linux). */
export interface ProcessMatcher {
  matches(pid: number): Promise<boolean>;
  /** The same, synchronously: right before a signal, so that the id cannot be reused in between. */
  matchesNow(pid: number): boolean;
}

/** The processes of a PID namespace, given as the target of its /proc link, except the two that keep the sandbox open. */
export function inNamespace(link: string): ProcessMatcher {
  const path = (pid: number): string => `/proc/${pid}/ns/pid`;
  const status = (pid: number): string => `/proc/${pid}/status`;
  return {
    matches: async (pid) =>
      (await readlink(path(pid)).catch(() => '')) === link &&
      !isInit(await readFile(status(pid), 'utf8').catch(() => '')),
    matchesNow: (pid) =>
      attempt(() => readlinkSync(path(pid)) === link && !isInit(readFileSync(status(pid), 'utf8'))),
  };
}

/** The first two processes of a namespace, which live as long as the namespace. */
function isInit(status: string): boolean {
  return Number(/^NSpid:.*\s(\d+)$/m.exec(status)?.[1] ?? 1) <= 2;
}

/** The processes that have this variable with this value in their environment. */
export function withVariable(name: string, value: string): ProcessMatcher {
  const path = (pid: number): string => `/proc/${pid}/environ`;
  const has = (environment: string): boolean => environment.split('\0').includes(`${name}=${value}`);
  return {
    matches: async (pid) => has(await readFile(path(pid), 'utf8').catch(() => '')),
    matchesNow: (pid) => attempt(() => has(readFileSync(path(pid), 'utf8'))),
  };
}

/** The ids of all matching processes, in no particular order. The bridge itself is never one of them. */
export async function findProcesses(matcher: ProcessMatcher): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter(Number.isInteger);
  const found: number[] = [];
  for (let start = 0; start < pids.length; start += BATCH_SIZE) {
    const some = pids.slice(start, start + BATCH_SIZE);
    const are = await Promise.all(some.map((pid) => matcher.matches(pid)));
    found.push(...some.filter((_, index) => are[index]));
  }
  return found.filter((pid) => pid !== process.pid);
}

/** Sends a signal to those ids that still match. Yields to the event loop between batches. */
export async function signalProcesses(
  pids: readonly number[],
  matcher: ProcessMatcher,
  name: NodeJS.Signals,
): Promise<void> {
  for (const [index, pid] of pids.entries()) {
    if (index % BATCH_SIZE === 0) await yieldToEventLoop();
    if (matcher.matchesNow(pid)) attempt(() => process.kill(pid, name));
  }
}

/** The start time of a process in clock ticks since boot; undefined where there is no such process. */
export async function startTimeOf(pid: number): Promise<number | undefined> {
  const fields = (await statOf(pid))?.fields;
  return fields === undefined ? undefined : Number(fields[19]);
}

/** The state letter of a process, and the fields of /proc/<pid>/stat from it on; undefined where there is none. */
async function statOf(pid: number): Promise<{ state: string; fields: string[] } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', fields };
}

/** Whether a process runs; a zombie does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await statOf(pid);
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
}

/** Whether a process is gone or a zombie: it has no command line any more. */
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
