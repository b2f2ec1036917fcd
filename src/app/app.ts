import type { ProjectLabel } from '../api/health-report.ts';
import type { ApiServices } from '../api/services.ts';
import type { Config } from '../config/config.ts';
import { KEY_LIFETIME_MS } from '../execution/admission.ts';
import { ExecutionManager } from '../execution/execution-manager.ts';
import type { HttpServer } from '../http/server.ts';
import type { Logger } from '../logger.ts';
import type { Pipe } from '../mcp/session.ts';
import { WorkspaceManager } from '../memory/workspace-manager.ts';
import { withMismatch } from '../runners/runner-mismatch.ts';
import { EventLog } from '../store/event-log.ts';
import { type DataDirLock, lockDataDir } from '../store/sqlite/data-dir-lock.ts';
import { SqliteBlockStore } from '../store/sqlite/sqlite-block-store.ts';
import { SqliteBrowserSessionStore } from '../store/sqlite/sqlite-browser-session-store.ts';
import { SqliteTaskRemovals } from '../store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../store/sqlite/sqlite-task-store.ts';
import { VERSION } from '../version.ts';
import { Retention } from '../workspaces/retention.ts';
import { startDeliveries } from './deliveries.ts';
import { openMetrics } from './metrics.ts';
import { openMatrix } from './open-matrix.ts';
import { type Release, releaseAll } from './release.ts';
import { otherRunner, startRunner } from './runners.ts';
import { taskControls } from './task-controls.ts';
import { openTaskFiles } from './task-files.ts';
import { Transports } from './transports.ts';
import { callbackHosts } from './webhooks.ts';

/** The running bridge. */
export interface App {
  services: ApiServices;
  /** Serves MCP and health over HTTP, as configured. */
  listen(): Promise<HttpServer>;
  /** Serves the same to other processes of this user only: on a free loopback port, with the token of the lock. */
  listenPrivately(): Promise<HttpServer>;
  /** Serves one client over a pipe. */
  serve(pipe: Pipe): Promise<void>;
  /** Rejects when the log can no longer be stored: the process has to exit. */
  failure(): Promise<never>;
  close(): Promise<void>;
}

/** Starts the bridge. A failed start releases everything that it has acquired, and the lock. */
export async function startApp(
  config: Config,
  logger: Logger,
  lock: DataDirLock = lockDataDir(config.dataDir, 'serve'),
): Promise<App> {
  const releases: Release[] = [];
  const close = (): Promise<void> => releaseAll(releases, logger);
  try {
    return { ...(await build(config, logger, lock, releases)), close };
  } catch (thrown) {
    // releaseAll has logged what could not be released.
    await close().catch(() => undefined);
    throw thrown;
  }
}

/** Builds each part after those it uses. Every part pushes its release, and `close` runs them in reverse order. */
async function build(
  config: Config,
  logger: Logger,
  lock: DataDirLock,
  releases: Release[],
): Promise<Omit<App, 'close'>> {
  const { database } = lock;
  releases.push(() => database.close());
  releases.push(() => lock.withdraw());
  const store = new SqliteTaskStore(database);
  const log = new EventLog(store);

  // What follows the log.
  const { maxEvents, blockLimit } = config.workspace;
  const blocks = new SqliteBlockStore(database);
  const workspace = new WorkspaceManager(log, blocks, { maxEvents, limit: blockLimit }, logger);
  workspace.start();
  releases.push(() => workspace.close());
  const matrix = await openMatrix(config.matrix);
  const deliveries = await startDeliveries({ config, workspace, matrix, log, database, releases, logger });

  // What runs tasks.
  const runner = withMismatch(
    await startRunner(config, store, logger, releases),
    otherRunner(config, store, logger),
  );
  const files = await openTaskFiles(config, logger);
  const { limits, requests, recovery } = config;
  const retention = new Retention({
    removals: new SqliteTaskRemovals(database),
    files,
    keepMs: config.retentionMs,
    keyLifetimeMs: KEY_LIFETIME_MS,
    deliveryMaxAgeMs: config.delivery.maxAgeMs,
    onHidden: () => log.announceRemoval(),
    endProcesses: async (directory) => runner.endProcesses?.(directory),
    logger,
  });
  const rules = { limits, requests, recovery };
  const execution = new ExecutionManager({ runner, log, files, ...rules, removal: retention, logger });

  // What clients see. The release of transports runs after the execution, so that clients see how their tasks end.
  const services: ApiServices & ProjectLabel = {
    execution,
    blockId: (taskId) => workspace.blockId(taskId),
    block: async (taskId) => workspace.block(taskId),
    version: VERSION,
    mode: runner.name,
    projectId: config.projectId,
    startedAt: Date.now(),
    callbackHosts: callbackHosts(config),
    dependencies: () => [
      ...execution.health(),
      ...deliveries.map((delivery) => delivery.health()),
      ...(matrix?.health() ?? []),
    ],
  };
  const { http } = config;
  const notices = matrix?.notices;
  const page = http.webUi ? { sessions: new SqliteBrowserSessionStore(database) } : undefined;
  const open = () => transports.open();
  const metrics = await openMetrics({ config, log, services, deliveries, open, logger });
  metrics?.start();
  releases.push(() => metrics?.close());
  const transports = new Transports({
    http,
    page,
    metrics: metrics && { source: metrics, token: config.metrics.token },
    services: { ...services, onToolCall: metrics?.toolCall },
    runner,
    notices,
    lock,
    releases,
    logger,
  });
  releases.push(() => transports.close());
  releases.push(() => lock.withdraw());

  let graceMs = config.shutdownGraceMs;
  releases.push(() => execution.close(graceMs));
  await execution.recover();
  matrix?.steer(taskControls(execution), database, logger);
  releases.push(() => matrix?.close());
  retention.start();
  releases.push(() => retention.close());

  return {
    services,
    listen: () => transports.listen(),
    listenPrivately: () => transports.listenPrivately(),
    serve: (pipe) => transports.serve(pipe),
    failure: async () => {
      const thrown = await log.failure;
      // A grace period is useless: what tasks do in it cannot be stored either.
      graceMs = 0;
      throw thrown;
    },
  };
}
