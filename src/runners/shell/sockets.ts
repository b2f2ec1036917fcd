import { readdir, readFile, readlink } from 'node:fs/promises';

/** A TCP socket of this machine, from /proc/net (Linux). */
export interface TcpSocket {
  localPort: number;
  remotePort: number;
  isListening: boolean;
  /** The user id of its owner. */
  uid: number;
  /** "0" where no process has it any more. */
  inode: string;
}

const LISTEN_STATE = '0A';

/** All TCP sockets, IPv4 and IPv6; none where /proc/net cannot be read. */
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
    isListening: state === LISTEN_STATE,
    uid: Number(uid),
    inode,
  };
}

function portOf(address: string): number {
  return Number.parseInt(address.split(':')[1] ?? '', 16);
}

/** The inodes of the sockets among the first `limit` descriptors of a process; none where they cannot be read. */
export async function socketInodesOf(pid: number, limit = Number.POSITIVE_INFINITY): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  const names = (await readdir(folder).catch(() => [])).slice(0, limit);
  const links = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => '')));
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}
