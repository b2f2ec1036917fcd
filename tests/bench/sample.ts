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

/**
 * Two kinds of work by turns, each as often first as second, so that what the machine does besides falls on
 * both. `clear`, after each `second`, is not timed. Answers with medians.
 */
export async function sideBySide(
  rounds: number,
  first: (round: number) => Promise<unknown>,
  second: (round: number) => Promise<unknown>,
  clear: (round: number) => Promise<unknown> = async () => undefined,
): Promise<{ first: number; second: number }> {
  const a: number[] = [];
  const b: number[] = [];
  const takeFirst = async (round: number): Promise<unknown> => a.push(await timed(() => first(round)));
  const takeSecond = async (round: number): Promise<unknown> => {
    b.push(await timed(() => second(round)));
    return clear(round);
  };
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? [takeFirst, takeSecond] : [takeSecond, takeFirst];
    for (const take of order) await take(round);
  }
  return { first: median(a), second: median(b) };
}

/** Resident memory of a process in MB (Linux). */
export async function residentMb(pid: number): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kb) / 1024);
}
