import type { Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { WorkspaceManager } from '../memory/workspace-manager.ts';
import { Delivery } from '../notifications/delivery.ts';
import { type CallObserver, observeCalls } from '../notifications/observe-calls.ts';
import type { Sink } from '../notifications/sink.ts';
import type { EventLog } from '../store/event-log.ts';
import type { Database } from '../store/sqlite/database.ts';
import { SqliteDeliveryStore } from '../store/sqlite/sqlite-delivery-store.ts';
import type { Matrix } from './matrix.ts';
import type { Release } from './release.ts';
import { webhookSinks } from './webhooks.ts';

export interface DeliveriesOptions {
  config: Config;
  workspace: WorkspaceManager;
  matrix: Matrix | undefined;
  /** Called with each call of a sink. */
  onCall?: CallObserver | undefined;
  log: EventLog;
  database: Database;
  releases: Release[];
  logger: Logger;
}

/** Starts to deliver the event log to every configured sink. */
export async function startDeliveries(options: DeliveriesOptions): Promise<Delivery[]> {
  const { config, onCall, log, database, releases, logger } = options;
  const { maxAgeMs } = config.delivery;
  return (await configuredSinks(options)).map((configured) => {
    const sink = onCall ? observeCalls(configured, onCall) : configured;
    const store = new SqliteDeliveryStore(database, sink.name);
    const delivery = new Delivery({ sink, log, store, maxAgeMs, logger });
    delivery.start();
    releases.push(() => delivery.close());
    return delivery;
  });
}

/** Loads the modules of configured sinks only. */
async function configuredSinks({ config, workspace, matrix }: DeliveriesOptions): Promise<Sink[]> {
  const { blockLimit } = config.workspace;
  const { url, token, detachDelayMs } = config.letta;
  const sinks: Sink[] = [...(matrix ? [matrix.sink] : []), ...(await webhookSinks(config))];
  if (url === undefined) return sinks;
  const { LettaSink } = await import('../notifications/letta/letta-sink.ts');
  const block = (taskId: string) => workspace.current(taskId);
  return [new LettaSink({ endpoint: { url, token }, block, blockLimit, detachDelayMs }), ...sinks];
}
