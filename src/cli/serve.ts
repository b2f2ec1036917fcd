import { setTimeout as sleep } from 'node:timers/promises';
import { type DataDirLock, lockDataDir } from '../app/data-dir.ts';
import { thenRelease } from '../app/release.ts';
import { BridgeError } from '../errors.ts';
import { readLockInfo } from '../store/lock-info.ts';
import { configured, EXIT, stopSignal } from './command.ts';

/** A process that only checks whether DATA_DIR is free holds the lock for milliseconds, without lock info. */
const LOCK_LIMIT_MS = 2_000;
const POLL_MS = 50;

/** Serves over HTTP until SIGTERM or SIGINT. */
export async function serve(): Promise<number> {
  const { config, logger } = configured();
  const stopped = stopSignal();
  const lock = await waitForLock(config.dataDir);
  // Loaded with the lock held: where another bridge has just stopped, other processes wait for this one.
  const { startApp } = await import('../app/app.ts');
  const app = await startApp(config, logger, lock);
  const work = async (): Promise<void> => {
    const { url } = await app.listen();
    logger.info({ url: `${url}/mcp`, mode: app.services.mode, dataDir: config.dataDir }, 'the bridge serves');
    const signal = await Promise.race([stopped, app.failure()]);
    logger.info({ signal }, 'the bridge stops');
  };
  await thenRelease(work, () => app.close(), logger);
  return EXIT.ok;
}

async function waitForLock(dataDir: string): Promise<DataDirLock> {
  for (const until = Date.now() + LOCK_LIMIT_MS; ; ) {
    try {
      return lockDataDir(dataDir, 'serve');
    } catch (thrown) {
      const inUse = thrown instanceof BridgeError && thrown.code === 'DATA_DIR_IN_USE';
      if (!inUse || readLockInfo(dataDir) || Date.now() > until) throw thrown;
    }
    await sleep(POLL_MS);
  }
}
