import { startApp } from '../app.ts';
import { serveStdio } from '../mcp/stdio.ts';
import { configured, EXIT, stopSignal } from './command.ts';

/** Serves one client over stdin and stdout until the client is gone. */
export async function stdio(): Promise<number> {
  const { config, logger } = configured();
  const stopped = stopSignal();
  const app = await startApp(config, logger);
  try {
    await Promise.race([serveStdio(app.services, logger), stopped, app.failure()]);
  } finally {
    await app.close();
  }
  return EXIT.ok;
}
