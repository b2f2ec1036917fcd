import { readdir, readFile, readlink } from 'node:fs/promises';

/** A TCP socket of this machine, as /proc/net shows it (Linux). */
export interface TcpSocket {
  localPort: number;
  remotePort: number;
  isListening: boolean;
  /** The user whose it is. */
  uid: number;
  /** Its number; "0" where no process has it any more. */
  inode: string;
}

const LISTENS = '0A';

/** All TCP sockets, of both families; none where that cannot be known. */
export async function tcpSockets(): Promise<TcpSocket[]> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
  );
  return tables.flatMap((table) => table.trimEnd().split('\n').slice(1).map(socketOf));
}

function socketOf(row: string): TcpSocket {
  const [, local = '', remote = '', state, , , , uid, , inode = '0'] = row.trim().split(/\s+/);
  return {
    localPort: portOf(local),
    remotePort: portOf(remote),
    isListening: state === LISTENS,
    uid: Number(uid),
    inode,
  };
}

function portOf(address: string): number {
  return Number.parseInt(address.split(':')[1] ?? '', 16);
}

/** The numbers of the sockets that a process has, among its first `limit` files; none where that cannot be seen. */
export async function socketInodesOf(pid: number, limit = Number.POSITIVE_INFINITY): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  const names = (await readdir(folder).catch(() => [])).slice(0, limit);
  const links = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => '')));
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}
