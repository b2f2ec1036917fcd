import { readFile } from 'node:fs/promises';
import type { ProcessLeft } from '../../tasks/events.ts';
import { cut } from '../../text.ts';
import { isAlive, startTimeOf } from './processes.ts';
import { socketInodesOf, tcpSockets } from './sockets.ts';

const MAX_PROCESSES = 20;
const COMMAND_LIMIT = 200;
const MAX_DESCRIPTORS = 256;
const MAX_PORTS = 20;
/** The clock ticks of /proc, the same on every Linux that Node supports. */
const TICKS_PER_SECOND = 100;

/** Describes processes that a task has left running: the oldest first, a bounded number. */
export async function describeProcesses(pids: readonly number[]): Promise<ProcessLeft[]> {
  const [boot, listening] = await Promise.all([bootTime(), listeningSockets()]);
  const some = [...pids].sort((one, other) => one - other).slice(0, MAX_PROCESSES * 5);
  const found: ProcessLeft[] = [];
  for (const pid of some) {
    if (found.length === MAX_PROCESSES) break;
    const command = await commandOf(pid);
    const ticks = await startTimeOf(pid);
    if (command === '' || ticks === undefined || !(await isAlive(pid))) continue;
    const since = new Date(boot + (ticks / TICKS_PER_SECOND) * 1000).toISOString();
    found.push({ command, since, ports: await portsOf(pid, listening) });
  }
  return found;
}

async function commandOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return cut(line.replaceAll('\0', ' ').trim(), COMMAND_LIMIT);
}

/** The boot time of the machine, in epoch milliseconds. */
async function bootTime(): Promise<number> {
  const stat = await readFile('/proc/stat', 'utf8').catch(() => '');
  return Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? 0) * 1000;
}

/** The ports of listening TCP sockets, by inode. */
async function listeningSockets(): Promise<Map<string, number>> {
  const sockets = await tcpSockets();
  return new Map(
    sockets.filter(({ isListening }) => isListening).map(({ inode, localPort }) => [inode, localPort]),
  );
}

async function portsOf(pid: number, listening: ReadonlyMap<string, number>): Promise<number[]> {
  const inodes = await socketInodesOf(pid, MAX_DESCRIPTORS);
  const ports = inodes.flatMap((inode) => listening.get(inode) ?? []);
  return [...new Set(ports)].sort((one, other) => one - other).slice(0, MAX_PORTS);
}
