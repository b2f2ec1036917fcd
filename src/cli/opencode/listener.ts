import { readdir, readFile, readlink } from 'node:fs/promises';

const LISTENS = '0A';

/** The process that listens on a port of this machine; undefined where that cannot be seen (Linux, own processes). */
export async function listenerOn(port: number): Promise<number | undefined> {
  const sockets = await socketsOn(port);
  if (sockets.size === 0) return undefined;
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    for (const file of await readdir(`/proc/${name}/fd`).catch(() => [])) {
      if (sockets.has(await readlink(`/proc/${name}/fd/${file}`).catch(() => ''))) return Number(name);
    }
  }
  return undefined;
}

/** What /proc/PID/fd calls the sockets that listen there. */
async function socketsOn(port: number): Promise<Set<string>> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
  );
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = tables.flatMap((table) => table.split('\n').map((row) => row.trim().split(/\s+/)));
  const listening = rows.filter(([, local, , state]) => local?.endsWith(suffix) && state === LISTENS);
  return new Set(listening.map((columns) => `socket:[${columns[9]}]`));
}
