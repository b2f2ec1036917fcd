import { setTimeout as sleep } from 'node:timers/promises';
import { type DataDirLock, lockDataDir } from '../../app/data-dir.ts';
import type { Config } from '../../config/config.ts';
import { BridgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { readLockInfo } from '../../store/lock-info.ts';
import { join } from './join.ts';
import type { UpstreamTarget } from './upstream-target.ts';

const POLL_MS = 100;

export interface Search {
  /** Epoch milliseconds from which on this process takes DATA_DIR where nobody has it. */
  takeFrom: number;
  /** Epoch milliseconds after which a DATA_DIR whose owner cannot be reached is given up. */
  until: number;
  signal: AbortSignal;
}

/**
 * Serves from this process where nobody has DATA_DIR, else from the one that has it. It may be just starting or
 * just closing, so both are tried in turn. Throws DATA_DIR_IN_USE in the end, and at once whatever else is wrong;
 * undefined where the search was called off.
 */
export async function connectUpstream(
  config: Config,
  logger: Logger,
  search: Search,
): Promise<UpstreamTarget | undefined> {
  while (!search.signal.aborted) {
    const claim = Date.now() < search.takeFrom ? undefined : tryClaim(config.dataDir);
    if (claim && !(claim instanceof BridgeError)) {
      // Only here is the bridge itself loaded: a process that passes on needs nothing of it.
      const { serveHere } = await import('./own.ts');
      return serveHere(config, logger, claim);
    }
    const owner = readLockInfo(config.dataDir);
    const place = owner && join(owner);
    if (place) return place;
    if (claim && Date.now() > search.until) throw claim;
    // Not in step with others that look, or they would lock each other out.
    await sleep(POLL_MS * (0.5 + Math.random()), undefined, { signal: search.signal }).catch(() => undefined);
  }
  return undefined;
}

/** The claim, or why it cannot be had. */
function tryClaim(dataDir: string): DataDirLock | BridgeError {
  try {
    return lockDataDir(dataDir, 'stdio');
  } catch (thrown) {
    if (thrown instanceof BridgeError && thrown.code === 'DATA_DIR_IN_USE') return thrown;
    throw thrown;
  }
}
