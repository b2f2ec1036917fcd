import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { startApp } from '../../app/app.ts';
import type { DataDirLock } from '../../app/data-dir.ts';
import { thenRelease } from '../../app/release.ts';
import type { Config } from '../../config/config.ts';
import type { Logger } from '../../logger.ts';
import type { UpstreamTarget } from './upstream-target.ts';

/** A bridge in this process, which others of this user can join. */
export async function serveHere(config: Config, logger: Logger, claim: DataDirLock): Promise<UpstreamTarget> {
  const app = await startApp(config, logger, claim);
  try {
    const { localUrl } = await app.listenPrivately();
    const [transport, far] = InMemoryTransport.createLinkedPair();
    await app.serve(far);
    logger.info(
      { url: localUrl, mode: app.services.mode, dataDir: config.dataDir },
      'the bridge serves stdio',
    );
    const close = (): Promise<void> =>
      thenRelease(
        () => app.close(),
        () => transport.close(),
        logger,
      );
    return { transport, close, failure: app.failure() };
  } catch (thrown) {
    await app.close().catch(() => undefined);
    throw thrown;
  }
}
