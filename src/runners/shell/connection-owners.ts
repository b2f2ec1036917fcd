import { readdir, readlink } from 'node:fs/promises';
import type { Connection } from '../runner.ts';
import { socketInodesOf, type TcpSocket, tcpSockets } from './sockets.ts';

/** How many processes are read at the same time. */
const BATCH_SIZE = 16;

interface Owner {
  pid: number;
  inSandbox: boolean;
}

/** One scan of /proc. */
interface SocketScan {
  /** The processes that have a socket, by its inode. */
  owners: ReadonlyMap<string, readonly Owner[]>;
  /** Sockets by `<local port> <remote port>`. */
  byPorts: ReadonlyMap<string, TcpSocket[]>;
}

/**
 * Finds out whether a connection may be the work of a task: of a process in a sandbox, or of OpenCode, which fetches
 * what the model names (Linux). A sandbox has another PID namespace than
 * the bridge, and so have the namespaces that its processes create. A socket without an owner proves nothing: it may be
 * closed already, or in transit from one process to another.
 */
export class ConnectionOwners {
  #scan: Promise<SocketScan> | undefined;
  #next: Promise<SocketScan> | undefined;

  /** Whether the connection certainly belongs to a process outside of every sandbox, other than `engine`. */
  async isOutside({ remotePort, localPort }: Connection, engine?: number): Promise<boolean> {
    const { owners, byPorts } = await this.#newScan();
    const sockets = byPorts.get(`${remotePort} ${localPort}`) ?? [];
    const own = process.getuid?.() ?? 0;
    const isOutside = ({ uid, inode }: TcpSocket): boolean => {
      const known = owners.get(inode) ?? [];
      if (inode === '0' || known.some(({ pid, inSandbox }) => inSandbox || pid === engine)) return false;
      // Without root the bridge cannot read the processes of other users, and its sandboxes cannot change their user.
      return known.length > 0 || (own !== 0 && uid !== own);
    };
    return sockets.length > 0 && sockets.every(isOutside);
  }

  /** A scan that starts after this call. Calls during a scan share the one that follows it. */
  #newScan(): Promise<SocketScan> {
    if (this.#next) return this.#next;
    const previous = this.#scan;
    const scan = (previous?.catch(() => undefined) ?? Promise.resolve()).then(() => {
      if (this.#next === scan) this.#next = undefined;
      this.#scan = scan;
      return this.#readSockets();
    });
    this.#next = scan;
    return scan;
  }

  async #readSockets(): Promise<SocketScan> {
    const own = await readlink('/proc/self/ns/pid');
    const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
    const owners = new Map<string, Owner[]>();
    for (let start = 0; start < pids.length; start += BATCH_SIZE) {
      const read = async (pid: number): Promise<void> => {
        const [namespace, inodes] = await Promise.all([namespaceOf(pid), socketInodesOf(pid)]);
        const owner = { pid, inSandbox: namespace !== own };
        for (const inode of inodes) owners.set(inode, [...(owners.get(inode) ?? []), owner]);
      };
      await Promise.all(pids.slice(start, start + BATCH_SIZE).map(read));
    }
    // The table is read last, so that a socket that was closed during the scan has no owner in it.
    return { owners, byPorts: await socketsByPorts() };
  }
}

function namespaceOf(pid: number): Promise<string | undefined> {
  return readlink(`/proc/${pid}/ns/pid`).catch(() => undefined);
}

async function socketsByPorts(): Promise<SocketScan['byPorts']> {
  const sockets = await tcpSockets();
  return Map.groupBy(sockets, ({ localPort, remotePort }) => `${localPort} ${remotePort}`);
}
