import { readFile } from 'node:fs/promises';

/** Bytes of memory that a process uses; 0 where that is unknown (not on Linux). */
export async function rssOf(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
}
