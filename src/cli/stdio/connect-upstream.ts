import { setTimeout as sleep } from 'node:timers/promises';
import { type DataDirLock, lockDataDir } from '../../app/data-dir.ts';
import type { Config } from '../../config/config.ts';
import { BridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { readLockInfo } from '../../store/lock-info.ts';
import { remoteUpstream } from './remote-upstream.ts';
import type { UpstreamTarget } from './upstream-target.ts';

const POLL_MS = 100;

export interface ConnectOptions {
  /** Epoch milliseconds before which this process does not lock a free DATA_DIR. */
  lockFrom: number;
  /** Epoch milliseconds after which this process no longer waits for a bridge that it cannot reach. */
  until: number;
  signal: AbortSignal;
}

/**
 * Starts a bridge in this process where DATA_DIR is free, else connects to the one that has locked it. That one may
 * be starting or stopping, so this tries both in turn. Throws DATA_DIR_IN_USE at the time limit, and any other error
 * at once; undefined where the signal aborted.
 */
export async function connectUpstream(
  config: Config,
  logger: Logger,
  { lockFrom, until, signal }: ConnectOptions,
): Promise<UpstreamTarget | undefined> {
  while (!signal.aborted) {
    const lock = Date.now() < lockFrom ? undefined : tryLock(config.dataDir);
    if (lock && !(lock instanceof BridgeError)) {
      // Loaded only here: a process that relays needs nothing of the bridge.
      const { startLocalUpstream } = await import('./local-upstream.ts');
      return startLocalUpstream(config, logger, lock);
    }
    const info = readLockInfo(config.dataDir);
    const remote = info && remoteUpstream(info);
    if (remote) return remote;
    if (lock && Date.now() > until) throw lock;
    // At random times: processes that poll in step would keep each other from the lock.
    await sleep(POLL_MS * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** The lock, or the error where another process has it. */
function tryLock(dataDir: string): DataDirLock | BridgeError {
  try {
    return lockDataDir(dataDir, 'stdio');
  } catch (thrown) {
    if (thrown instanceof BridgeError && thrown.code === 'DATA_DIR_IN_USE') return thrown;
    throw thrown;
  }
}
