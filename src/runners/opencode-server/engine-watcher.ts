import { type ChildProcess, spawn } from 'node:child_process';

/** In the environment of the server and of whatever it starts. */
export const MARK = 'LETTA_OPENCODE_ENGINE';
/**
 * Ends the server when the bridge is gone, however it went: its stdin closes with the bridge.
 * Then, and when the server has ended otherwise, it kills the shells that the server left behind (Linux).
 */
const WATCHER = `read ended || { kill -TERM "$1"; sleep 2; kill -KILL "$1"; }
grep -ls "${MARK}=$2" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do kill -KILL "$pid"; done`;

/** Starts the watcher; the function returned tells it that the server has ended, and waits for its sweep. */
export function watch(child: ChildProcess, mark: string): () => Promise<void> {
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
