import { readdir, readlink } from 'node:fs/promises';
import type { Connection } from '../runner.ts';
import { socketInodesOf, type TcpSocket, tcpSockets } from './sockets.ts';

/** How many processes are looked at at a time. */
const AT_ONCE = 16;

/** What /proc says at one time. */
interface Sockets {
  /** Numbers of the sockets that processes outside of every sandbox have, and of those that others have. */
  outsideSandbox: ReadonlySet<string>;
  inSandbox: ReadonlySet<string>;
  /** Sockets by the own and the other port. */
  byPorts: ReadonlyMap<string, TcpSocket[]>;
}

/**
 * Tells who is certainly no process of a sandbox (Linux). A sandbox has a namespace of processes other than the
 * bridge's, and so have those that its processes make. A socket that nobody has may be closed already, or on its way
 * from one process to another.
 */
export class ConnectionOwners {
  #scan: Promise<Sockets> | undefined;
  #next: Promise<Sockets> | undefined;

  /** Whether the caller is certainly outside of every sandbox. */
  async isOutsideSandbox({ remotePort, localPort }: Connection): Promise<boolean> {
    const { outsideSandbox, inSandbox, byPorts } = await this.#fresh();
    const sockets = byPorts.get(`${remotePort} ${localPort}`) ?? [];
    const own = process.getuid?.() ?? 0;
    const isOf = ({ uid, inode }: TcpSocket): boolean => {
      if (inode === '0' || inSandbox.has(inode)) return false;
      // Who is not root cannot look at processes of others, and its sandboxes cannot become others.
      return outsideSandbox.has(inode) || (own !== 0 && uid !== own);
    };
    return sockets.length > 0 && sockets.every(isOf);
  }

  /** One that begins after the call; calls meanwhile share the next one. */
  #fresh(): Promise<Sockets> {
    if (this.#next) return this.#next;
    const before = this.#scan;
    const scan = (before?.catch(() => undefined) ?? Promise.resolve()).then(() => {
      if (this.#next === scan) this.#next = undefined;
      this.#scan = scan;
      return this.#look();
    });
    this.#next = scan;
    return scan;
  }

  async #look(): Promise<Sockets> {
    const own = await readlink('/proc/self/ns/pid');
    const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
    const outsideSandbox = new Set<string>();
    const inSandbox = new Set<string>();
    for (let start = 0; start < pids.length; start += AT_ONCE) {
      const look = async (pid: number): Promise<void> => {
        const [namespace, inodes] = await Promise.all([namespaceOf(pid), socketInodesOf(pid)]);
        for (const inode of inodes) (namespace === own ? outsideSandbox : inSandbox).add(inode);
      };
      await Promise.all(pids.slice(start, start + AT_ONCE).map(look));
    }
    // After that: a socket that was closed meanwhile is nobody's now.
    return { outsideSandbox, inSandbox, byPorts: await socketsByPorts() };
  }
}

function namespaceOf(pid: number): Promise<string | undefined> {
  return readlink(`/proc/${pid}/ns/pid`).catch(() => undefined);
}

async function socketsByPorts(): Promise<Sockets['byPorts']> {
  const sockets = await tcpSockets();
  return Map.groupBy(sockets, ({ localPort, remotePort }) => `${localPort} ${remotePort}`);
}
