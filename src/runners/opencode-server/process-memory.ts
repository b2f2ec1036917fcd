import { readFile } from 'node:fs/promises';
import type { RunnerResources } from '../runner.ts';

/** Bytes of memory that a process uses; 0 where that is unknown (not on Linux). */
export async function rssOf(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
}

/** What a server uses that was started so often. */
export async function resourcesOf(pid: number | undefined, starts: number): Promise<RunnerResources> {
  return { memoryBytes: await rssOf(pid), restarts: Math.max(0, starts - 1) };
}
