import { startApp } from '../app.ts';
import { configured, EXIT, stopSignal } from './command.ts';

/** Serves over HTTP until SIGTERM or SIGINT. */
export async function serve(): Promise<number> {
  const { config, logger } = configured();
  const stopped = stopSignal();
  const app = await startApp(config, logger);
  try {
    const { url } = await app.listen();
    logger.info({ url: `${url}/mcp`, mode: app.services.mode, dataDir: config.dataDir }, 'the bridge serves');
    const signal = await Promise.race([stopped, app.failure()]);
    logger.info({ signal }, 'the bridge stops');
  } finally {
    await app.close();
  }
  return EXIT.ok;
}
