import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiServices } from '../api/services.ts';
import type { Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { BridgeMetrics } from '../metrics/bridge-metrics.ts';
import type { Delivery } from '../notifications/delivery.ts';
import type { Runner } from '../runners/runner.ts';
import type { EventLog } from '../store/event-log.ts';
import { FolderSize } from '../workspaces/folder-size.ts';
import type { Release } from './release.ts';

export interface MetricsSources {
  config: Config;
  log: EventLog;
  services: ApiServices;
  deliveries: readonly Delivery[];
  runner: Runner;
  open(): { sessions: number; streams: number };
  releases: Release[];
  logger: Logger;
}

/** Loads what measures the bridge, if it is configured. */
export async function openMetrics(sources: MetricsSources): Promise<BridgeMetrics | undefined> {
  const { config, log, services, deliveries, runner, open, releases, logger } = sources;
  if (!config.metrics.enabled) return undefined;
  const size = new FolderSize(config.workspace.dir, config.childEnv.PATH, logger);
  size.start();
  releases.push(() => size.close());
  const { BridgeMetrics } = await import('../metrics/bridge-metrics.ts');
  const state = {
    version: services.version,
    mode: services.mode,
    tasks: () => services.execution.metrics(),
    dependencies: () => services.dependencies(),
    lag: () => deliveries.map((delivery) => delivery.progress()),
    open,
    resources: async () => runner.resources?.(),
    workspaceBytes: () => size.bytes,
    databaseBytes: () => bytesOf(config.dataDir),
  };
  return new BridgeMetrics({ log, byAgent: config.metrics.byAgent, state, logger });
}

/** The database is a file, with a second one for what was written last. */
async function bytesOf(dataDir: string): Promise<number> {
  const sizes = ['bridge.db', 'bridge.db-wal'].map((name) =>
    stat(join(dataDir, name)).catch(() => undefined),
  );
  return (await Promise.all(sizes)).reduce((sum, file) => sum + (file?.size ?? 0), 0);
}
