import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { BridgeError } from '../../errors.ts';

const START_TIMEOUT_MS = 30_000;
/** Characters of bubblewrap's stderr that an error quotes. */
const STDERR_LENGTH = 500;
const statusSchema = z.object({ 'child-pid': z.number().int(), 'pid-namespace': z.number().int() });

/** The first process of a sandbox, and the inode of its PID namespace. */
export interface BubblewrapStatus {
  pid: number;
  namespace: number;
}

/** Resolves when bubblewrap has reported its status and everything is mounted. */
export function waitUntilReady(child: ChildProcess): Promise<BubblewrapStatus> {
  const { promise, resolve, reject } = Promise.withResolvers<BubblewrapStatus>();
  let status = '';
  let stderr = '';
  let mounted = false;
  const timer = setTimeout(() => reject(failure(`not ready after ${START_TIMEOUT_MS} ms`)), START_TIMEOUT_MS);
  promise.finally(() => clearTimeout(timer)).catch(() => undefined);
  const check = (): void => {
    const parsed = statusSchema.safeParse(parseJson(status.split('\n')[0] ?? ''));
    if (!mounted || !parsed.success) return;
    resolve({ pid: parsed.data['child-pid'], namespace: parsed.data['pid-namespace'] });
  };
  (child.stdio[3] as Readable).on('data', (chunk) => {
    status += chunk;
    check();
  });
  child.stderr?.on('data', (chunk) => {
    stderr = `${stderr}${chunk}`.slice(-STDERR_LENGTH);
  });
  child.stdin?.on('error', () => undefined);
  // The first command writes to stdout once everything is mounted.
  child.stdout?.on('data', () => {
    mounted = true;
    check();
  });
  child.once('error', (cause) => reject(failure(cause.message)));
  child.once('close', (code, signal) => reject(failure(stderr.trim() || `it exited with ${signal ?? code}`)));
  return promise;
}

function failure(reason: string): BridgeError {
  return new BridgeError('ENGINE_UNAVAILABLE', `bubblewrap: ${reason}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
