import { type ChildProcess, spawn } from 'node:child_process';

/** A variable of the server and of everything that it starts. */
export const ENGINE_MARK = 'LETTA_OPENCODE_ENGINE';
/**
 * Stops the server when the bridge has ended in whatever way: the watcher's stdin closes with the bridge.
 * After that, and after any other end of the server, it kills the shells that the server left behind (Linux).
 */
const WATCHER = `read ended || { kill -TERM "$1"; sleep 2; kill -KILL "$1"; }
grep -ls "${ENGINE_MARK}=$2" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do kill -KILL "$pid"; done`;

/** Starts the watcher. The function returned is for after the server's end: it waits until the shells are killed. */
export function startWatcher(child: ChildProcess, mark: string): () => Promise<void> {
  if (child.pid === undefined || process.platform === 'win32') return async () => undefined;
  const args = ['-c', WATCHER, 'watcher', String(child.pid), mark];
  const watcher = spawn('/bin/sh', args, {
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const gone = new Promise<void>((resolve) => {
    watcher.once('error', () => resolve());
    watcher.once('close', () => resolve());
  });
  watcher.stdin.on('error', () => undefined);
  watcher.unref();
  return () => {
    watcher.ref();
    watcher.stdin.end('ended\n');
    return gone;
  };
}
