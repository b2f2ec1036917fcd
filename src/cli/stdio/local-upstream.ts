import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { startApp } from '../../app/app.ts';
import type { DataDirLock } from '../../app/data-dir.ts';
import { thenRelease } from '../../app/release.ts';
import type { Config } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import type { UpstreamTarget } from './upstream-target.ts';

/** Starts a bridge in this process. Other stdio processes of this user can connect to it. */
export async function startLocalUpstream(
  config: Config,
  logger: Logger,
  lock: DataDirLock,
): Promise<UpstreamTarget> {
  const app = await startApp(config, logger, lock);
  try {
    const { localUrl } = await app.listenPrivately();
    const [transport, serverTransport] = InMemoryTransport.createLinkedPair();
    await app.serve(serverTransport);
    logger.info(
      { url: localUrl, mode: app.services.mode, dataDir: config.dataDir },
      'the bridge serves stdio',
    );
    const end = (): Promise<void> => app.close();
    const close = (): Promise<void> => thenRelease(end, () => transport.close(), logger);
    return { transport, modern: { url: localUrl, token: lock.token }, end, close, failure: app.failure() };
  } catch (thrown) {
    await app.close().catch(() => undefined);
    throw thrown;
  }
}
