import type { ChildProcess } from 'node:child_process';
import { tail } from '../../text.ts';

/** OpenCode can ignore SIGTERM while it installs a plugin, so SIGKILL follows. */
const TERM_LIMIT_MS = 3_000;

/** Resolves with how the process ended. */
export function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ? `killed by ${signal}` : `exit code ${code}`));
  });
}

/** The last of what the process writes to stderr. */
export function lastLines(child: ChildProcess): () => string {
  let last = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk) => {
    last = tail(`${last}${chunk}`, 500);
  });
  return () => last.trim();
}

/** SIGTERM, then SIGKILL. */
export function terminate(child: ChildProcess): void {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), TERM_LIMIT_MS);
  child.once('close', () => clearTimeout(timer));
}
