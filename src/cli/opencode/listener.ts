import { readdir } from 'node:fs/promises';
import { socketInodesOf, tcpSockets } from '../../runners/shell/sockets.ts';

/** The process that listens on a port of this machine; undefined where that cannot be seen (Linux, own processes). */
export async function listenerOn(port: number): Promise<number | undefined> {
  const listening = (await tcpSockets()).filter(
    ({ isListening, localPort }) => isListening && localPort === port,
  );
  const wanted = new Set(listening.map(({ inode }) => inode));
  if (wanted.size === 0) return undefined;
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter(Number.isInteger);
  for (const pid of pids) if ((await socketInodesOf(pid)).some((inode) => wanted.has(inode))) return pid;
  return undefined;
}
