import type { Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import { VERSION } from '../package.ts';
import type { EventLog } from '../store/event-log.ts';
import type { BridgeTracing } from '../tracing/bridge-tracing.ts';

/** Loads what makes traces, if they are sent somewhere. */
export async function openTracing(
  { tracing }: Config,
  log: EventLog,
  logger: Logger,
): Promise<BridgeTracing | undefined> {
  const { endpoint, headers, serviceName } = tracing;
  if (endpoint === undefined) return undefined;
  const { BridgeTracing } = await import('../tracing/bridge-tracing.ts');
  const opened = new BridgeTracing({ log, endpoint, headers, serviceName, version: VERSION, logger });
  opened.start();
  return opened;
}
