import { access, constants, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiServices } from '../api/services.ts';
import type { Config } from '../config/config.ts';
import { BridgeError, messageOf, quote } from '../errors.ts';
import { KEY_LIFETIME_MS } from '../execution/admission.ts';
import { ExecutionManager } from '../execution/execution-manager.ts';
import type { IsFromCommand } from '../http/guards/task-commands.ts';
import { type HttpServer, startHttpServer } from '../http/server.ts';
import type { Logger } from '../logger.ts';

import { END_REASONS, McpSession, type Pipe } from '../mcp/session.ts';

import { WorkspaceManager } from '../memory/workspace-manager.ts';
import { Delivery } from '../notifications/delivery.ts';
import { withMismatch } from '../runners/runner-mismatch.ts';
import { EventLog } from '../store/event-log.ts';
import { type DataDirLock, lockDataDir } from '../store/sqlite/data-dir-lock.ts';
import { SqliteBlockStore } from '../store/sqlite/sqlite-block-store.ts';
import { SqliteDeliveryStore } from '../store/sqlite/sqlite-delivery-store.ts';
import { SqliteTaskRemovals } from '../store/sqlite/sqlite-task-removals.ts';
import { SqliteTaskStore } from '../store/sqlite/sqlite-task-store.ts';
import { VERSION } from '../version.ts';
import { Retention } from '../workspaces/retention.ts';
import { TaskFiles } from '../workspaces/task-files.ts';
import { type Release, releaseAll } from './release.ts';
import { otherRunner, startRunner } from './runners.ts';
import { openMatrix, sinks } from './sinks.ts';
import { taskControls } from './task-controls.ts';

/** The running bridge: everything built once, wired, and undone backwards. */
export interface App {
  services: ApiServices;
  /** Serves MCP and health over HTTP, as configured. */
  listen(): Promise<HttpServer>;
  /** Rejects when what happens can no longer be stored: the process has to end. */
  failure(): Promise<never>;
  /** The same for other processes of this user alone: on a free port of loopback, with the token of the claim. */
  listenPrivately(): Promise<HttpServer>;
  /** Serves one client over a pipe. */
  serve(pipe: Pipe): Promise<void>;
  close(): Promise<void>;
}

/** Builds the bridge. What was acquired before a failure is released again, and the claim with it. */
export async function startApp(
  config: Config,
  logger: Logger,
  claim: DataDirLock = lockDataDir(config.dataDir, 'serve'),
): Promise<App> {
  const releases: Release[] = [];
  const close = (): Promise<void> => releaseAll(releases, logger);
  try {
    return await build(config, logger, claim, releases, close);
  } catch (thrown) {
    // What failed to end stands in the log.
    await close().catch(() => undefined);
    throw thrown;
  }
}

async function build(
  config: Config,
  logger: Logger,
  claim: DataDirLock,
  releases: Release[],
  close: () => Promise<void>,
): Promise<App> {
  const { database } = claim;
  releases.push(() => database.close());
  releases.push(() => claim.withdraw());
  const store = new SqliteTaskStore(database);
  const log = new EventLog(store);

  const { dir: workspaceDir, roots, maxFileSize, maxEvents, blockLimit } = config.workspace;
  const workspace = new WorkspaceManager(
    log,
    new SqliteBlockStore(database),
    { maxEvents, limit: blockLimit },
    logger,
  );
  workspace.start();
  releases.push(() => workspace.close());

  const { maxAgeMs } = config.delivery;
  const matrix = await openMatrix(config.matrix);
  const deliveries = (await sinks(config, workspace, matrix)).map(
    (sink) =>
      new Delivery({ sink, log, store: new SqliteDeliveryStore(database, sink.name), maxAgeMs, logger }),
  );
  for (const delivery of deliveries) {
    delivery.start();
    releases.push(() => delivery.close());
  }

  const runner = withMismatch(
    await startRunner(config, store, logger, releases),
    otherRunner(config, store, logger),
  );
  const { PATH, HOME, XDG_CONFIG_HOME } = config.childEnv;
  const snapshotsDir = join(config.dataDir, 'snapshots');
  await requireWritable(workspaceDir);
  const files = new TaskFiles({
    workspaceDir,
    roots,
    snapshotsDir,
    maxFileSize,
    env: { PATH, HOME, XDG_CONFIG_HOME },
    logger,
  });
  const { limits, requests, recovery } = config;
  const execution = new ExecutionManager({ runner, log, files, limits, requests, recovery, logger });
  let http: HttpServer | undefined;
  const pipes: McpSession[] = [];
  releases.push(() => Promise.all([http?.close(), ...pipes.map((session) => session.end(END_REASONS.stop))]));
  releases.push(() => claim.withdraw());
  let graceMs = config.shutdownGraceMs;
  releases.push(() => execution.close(graceMs));
  await execution.recover();
  matrix?.steer(taskControls(execution), database, logger);
  releases.push(() => matrix?.close());
  const removals = new SqliteTaskRemovals(database);
  const retention = new Retention({
    removals,
    files,
    keepMs: config.retentionMs,
    keyLifetimeMs: KEY_LIFETIME_MS,
    endProcesses: async (directory) => runner.endProcesses?.(directory),
    logger,
  });
  retention.start();
  releases.push(() => retention.close());

  const services: ApiServices = {
    execution,
    blockId: (taskId) => workspace.blockId(taskId),
    block: async (taskId) => workspace.block(taskId),
    version: VERSION,
    mode: runner.name,
    startedAt: Date.now(),
    dependencies: () => [
      ...execution.health(),
      ...deliveries.map((delivery) => delivery.health()),
      ...(matrix?.health() ?? []),
    ],
  };
  const start = async (access: Config['http']): Promise<HttpServer> => {
    const isFromCommand: IsFromCommand = async (connection) =>
      (await runner.mayHaveOpened?.(connection)) ?? false;
    const notices = matrix?.notices;
    const server = await startHttpServer({ ...access, services, isFromCommand, notices, logger });
    http = server;
    // Undone first: callers can still watch the tasks that get their time to end.
    releases.push(() => server.drain());
    claim.announce(server.localUrl);
    return server;
  };
  const failure = async (): Promise<never> => {
    const thrown = await log.failure;
    // What the tasks did in their grace could not be stored either.
    graceMs = 0;
    throw thrown;
  };
  const pass = { token: claim.token, local: true };
  const { tokens } = config.http;
  return {
    services,
    listen: () => start({ ...config.http, tokens: tokens.length > 0 ? [...tokens, pass] : [] }),
    listenPrivately: () => start({ ...config.http, host: '127.0.0.1', port: 0, tokens: [pass] }),
    serve: async (pipe) => {
      const session = await McpSession.open(services, logger);
      pipes.push(session);
      await session.serve(pipe);
    },
    failure,
    close,
  };
}

async function requireWritable(workspaceDir: string): Promise<void> {
  try {
    await mkdir(workspaceDir, { recursive: true });
    await access(workspaceDir, constants.W_OK);
  } catch (cause) {
    const text = `WORKSPACE_DIR ${quote(workspaceDir)} cannot be used: ${messageOf(cause)}`;
    throw new BridgeError('INVALID_INPUT', text, {
      next: 'Set it to a folder that this user may write.',
      cause,
    });
  }
}
