import { readdir, readFile } from 'node:fs/promises';

export interface RunningProcess {
  pid: number;
  command: string;
}

/** All processes with this HOME, lowest id first; this identifies a hermetic engine and its shells (Linux). */
export async function processesOf(home: string): Promise<RunningProcess[]> {
  const found: RunningProcess[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (!environment.split('\0').includes(`HOME=${home}`)) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line !== '') found.push({ pid, command: line.split('\0').join(' ').trim() });
  }
  return found;
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
