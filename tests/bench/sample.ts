import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 300_000;

/** Resolves when it is so; throws after five minutes. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within ${PATIENCE_MS / 1000} s: ${what}`);
    await sleep(10);
  }
}

/** Milliseconds that a piece of work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** The middle of the values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] =
    sorted.length % 2 ? [sorted[middle], sorted[middle]] : [sorted[middle - 1], sorted[middle]];
  return (low + high) / 2;
}

/** What is done besides, and not timed. */
interface Untimed {
  /** Before each piece of work. */
  before?: () => Promise<unknown>;
  /** After each of the second kind. */
  afterSecond?: (round: number) => Promise<unknown>;
}

/**
 * Two kinds of work by turns, each as often first as second, so that what the machine does besides falls on
 * both. Answers with medians.
 */
export async function sideBySide(
  rounds: number,
  first: (round: number) => Promise<unknown>,
  second: (round: number) => Promise<unknown>,
  { before, afterSecond }: Untimed = {},
): Promise<{ first: number; second: number }> {
  const a: number[] = [];
  const b: number[] = [];
  const takeFirst = async (round: number): Promise<unknown> => {
    await before?.();
    return a.push(await timed(() => first(round)));
  };
  const takeSecond = async (round: number): Promise<unknown> => {
    await before?.();
    b.push(await timed(() => second(round)));
    return afterSecond?.(round);
  };
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? [takeFirst, takeSecond] : [takeSecond, takeFirst];
    for (const take of order) await take(round);
  }
  return { first: median(a), second: median(b) };
}

/** Processor time that a process has used so far, in milliseconds (Linux, which counts it in 10 ms). */
export async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name of the program comes before and may have anything in it.
  const [, user = '', system = ''] = /.*\) (?:\S+ ){11}(\d+) (\d+) /s.exec(stat) ?? [];
  return 10 * (Number(user) + Number(system));
}

/** Resident memory of a process in MB (Linux). */
export async function residentMb(pid: number): Promise<number> {
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kb) / 1024);
}
