import type { ProjectLabel } from '../api/health-report.ts';
import type { ApiServices } from '../api/services.ts';
import type { Config } from '../config/config.ts';
import { KEY_LIFETIME_MS } from '../execution/admission.ts';
import { ExecutionManager } from '../execution/execution-manager.ts';
import type { HttpServer } from '../http/server.ts';
import type { Logger } from '../logger.ts';
import type { Pipe } from '../mcp/session.ts';
import { WorkspaceManager } from '../memory/workspace-manager.ts';
import { VERSION } from '../package.ts';
import { withMismatch } from '../runners/runner-mismatch.ts';
import { EventLog } from '../store/event-log.ts';
import { type DataDirLock, lockDataDir } from '../store/sqlite/data-dir-lock.ts';
import { SqliteBlockStore } from '../store/sqlite/sqlite-block-store.ts';
import { SqliteBrowserSessionStore } from '../store/sqlite/sqlite-browser-session-store.ts';
import { SqliteMcpSessionStore } from '../store/sqlite/sqlite-mcp-session-store.ts';
import { signingKeyOf } from '../store/sqlite/sqlite-signing-keys.ts';
import { SqliteTaskRemovals } from '../store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../store/sqlite/sqlite-task-store.ts';
import { Retention } from '../workspaces/retention.ts';
import { openProviders } from './credential-proxy.ts';
import { startDeliveries } from './deliveries.ts';
import { LastSuccess } from './last-success.ts';
import { openMetrics } from './metrics.ts';
import { openMatrix } from './open-matrix.ts';
import { openProviderKeys, usesProviderKeys } from './providers.ts';
import { type Release, releaseAll } from './release.ts';
import { otherRunner, startRunner } from './runners.ts';
import { taskControls } from './task-controls.ts';
import { openTaskFiles, startStorageHealth } from './task-files.ts';
import { openTracing } from './tracing.ts';
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
  const tracing = await openTracing(config, log, logger);
  releases.push(() => tracing?.close());
  const onCall = tracing?.delivery.bind(tracing);
  const shared = { log, database, releases, logger };
  const deliveries = await startDeliveries({ config, workspace, matrix, onCall, ...shared });

  // What runs tasks.
  const keys = usesProviderKeys(config) ? openProviderKeys(config, database, logger) : undefined;
  const onBudgetSpent = (taskId: string, tokens: number): void => execution.endOverBudget(taskId, tokens);
  const providers = keys && (await openProviders({ config, keys, log, onBudgetSpent, releases, logger }));
  const runner = withMismatch(
    await startRunner(config, store, providers, logger, releases),
    otherRunner(config, store, logger),
  );
  const files = await openTaskFiles(config, logger);
  const storage = await startStorageHealth(config, database, logger);
  releases.push(() => storage.close());
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
  const execution = new ExecutionManager({
    runner,
    log,
    files,
    ...rules,
    removal: retention,
    gate: storage,
    logger,
  });

  const dependencies = new LastSuccess(() => [
    ...execution.health(),
    ...storage.health(),
    ...deliveries.map((delivery) => delivery.health()),
    ...(matrix?.health() ?? []),
  ]);
  releases.push(() => dependencies.close());

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
    dependencies: () => dependencies.read(),
  };
  const { http } = config;
  const notices = matrix?.notices;
  const page = http.webUi ? { sessions: new SqliteBrowserSessionStore(database) } : undefined;
  const open = () => transports.open();
  const metrics = await openMetrics({ config, log, services, deliveries, runner, open, releases, logger });
  metrics?.start();
  releases.push(() => metrics?.close());
  const transports = new Transports({
    http,
    page,
    providers: { admin: keys, operatorToken: config.providers.operatorToken },
    sessionStore: new SqliteMcpSessionStore(database),
    stateKey: signingKeyOf(database, 'mcp request state'),
    metrics: metrics && { source: metrics, token: config.metrics.token },
    services: {
      ...services,
      onToolCall: metrics?.toolCall,
      retentionMs: config.retentionMs,
      elicitation: requests.elicitation,
    },
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
