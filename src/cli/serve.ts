import { setTimeout as sleep } from 'node:timers/promises';
import { type DataDirLock, lockDataDir } from '../app/data-dir.ts';
import { thenRelease } from '../app/release.ts';
import { BridgeError } from '../errors.ts';
import { readLockInfo } from '../store/lock-info.ts';
import { configured, EXIT, stopSignal } from './command.ts';

/** Those who only look whether DATA_DIR is free have it for milliseconds, and say nothing of themselves. */
const PATIENCE_MS = 2_000;
const POLL_MS = 50;

/** Serves over HTTP until SIGTERM or SIGINT. */
export async function serve(): Promise<number> {
  const { config, logger } = configured();
  const stopped = stopSignal();
  const claimed = await claim(config.dataDir);
  // Loaded afterwards: where this takes the place of one that has just stopped, others wait for it too.
  const { startApp } = await import('../app/app.ts');
  const app = await startApp(config, logger, claimed);
  const work = async (): Promise<void> => {
    const { url } = await app.listen();
    logger.info({ url: `${url}/mcp`, mode: app.services.mode, dataDir: config.dataDir }, 'the bridge serves');
    const signal = await Promise.race([stopped, app.failure()]);
    logger.info({ signal }, 'the bridge stops');
  };
  await thenRelease(work, () => app.close(), logger);
  return EXIT.ok;
}

async function claim(dataDir: string): Promise<DataDirLock> {
  for (const until = Date.now() + PATIENCE_MS; ; ) {
    try {
      return lockDataDir(dataDir, 'serve');
    } catch (thrown) {
      const inUse = thrown instanceof BridgeError && thrown.code === 'DATA_DIR_IN_USE';
      if (!inUse || readLockInfo(dataDir) || Date.now() > until) throw thrown;
    }
    await sleep(POLL_MS);
  }
}
