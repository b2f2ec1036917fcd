import { access, constants, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from './config/config.ts';
import { BridgeError, messageOf, quote } from './errors.ts';
import type { DockerRunner } from './execution/docker/docker-runner.ts';
import { ExecutionManager } from './execution/execution-manager.ts';
import type { OpenCodeClientManager } from './execution/opencode/client-manager.ts';
import type { Endpoint } from './execution/opencode/endpoint.ts';
import { type OtherRunner, ofOneMode } from './execution/other-mode.ts';
import { Retention } from './execution/retention.ts';
import type { Runner } from './execution/runner.ts';
import { TaskFiles } from './execution/task-files.ts';
import { type HttpServer, startHttpServer } from './http/server.ts';
import type { Logger } from './logger.ts';
import type { ToolServices } from './mcp/tool.ts';
import { Delivery } from './notifications/delivery.ts';
import type { Sink } from './notifications/sink.ts';
import { type Claim, claimDataDir } from './tasks/claim.ts';
import { EventLog } from './tasks/event-log.ts';
import { SqliteTaskStore } from './tasks/sqlite-task-store.ts';
import { TaskRemovals } from './tasks/task-removals.ts';
import type { TaskStore } from './tasks/task-store.ts';
import { VERSION } from './version.ts';
import { LocalMemory } from './workspace/local-memory.ts';
import { WorkspaceManager } from './workspace/workspace-manager.ts';

type Release = () => Promise<void> | void;

/** The running bridge: everything built once, wired, and undone backwards. */
export interface App {
  services: ToolServices;
  /** Serves MCP and health over HTTP, as configured. */
  listen(): Promise<HttpServer>;
  /** Rejects when what happens can no longer be stored: the process has to end. */
  failure(): Promise<never>;
  /** The same for other processes of this user alone: on a free port of loopback, with the token of the claim. */
  listenPrivately(): Promise<HttpServer>;
  close(): Promise<void>;
}

/** Builds the bridge. What was acquired before a failure is released again, and the claim with it. */
export async function startApp(
  config: Config,
  logger: Logger,
  claim: Claim = claimDataDir(config.dataDir, 'serve'),
): Promise<App> {
  const releases: Release[] = [];
  const close = async (): Promise<void> => {
    for (let release = releases.pop(); release; release = releases.pop()) await release();
  };
  try {
    return await build(config, logger, claim, releases, close);
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function build(
  config: Config,
  logger: Logger,
  claim: Claim,
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
    new LocalMemory(database),
    { maxEvents, limit: blockLimit },
    logger,
  );
  workspace.start();
  releases.push(() => workspace.close());

  const { maxAgeMs } = config.delivery;
  const deliveries = (await sinks(config, workspace)).map(
    (sink) => new Delivery({ sink, log, database, maxAgeMs, logger }),
  );
  for (const delivery of deliveries) {
    delivery.start();
    releases.push(() => delivery.close());
  }

  const runner = ofOneMode(
    await startRunner(config, store, logger, releases),
    otherRunner(config, store, logger),
  );
  const { PATH, HOME } = config.childEnv;
  const snapshotsDir = join(config.dataDir, 'snapshots');
  await requireWritable(workspaceDir);
  const files = new TaskFiles({
    workspaceDir,
    roots,
    snapshotsDir,
    maxFileSize,
    env: { PATH, HOME },
    logger,
  });
  const { limits, requests, recovery } = config;
  const execution = new ExecutionManager({ runner, log, files, limits, requests, recovery, logger });
  let http: HttpServer | undefined;
  releases.push(async () => {
    claim.withdraw();
    await http?.close();
  });
  let graceMs = config.shutdownGraceMs;
  releases.push(() => execution.close(graceMs));
  execution.recover();
  const removals = new TaskRemovals(database);
  const retention = new Retention({ removals, files, keepMs: config.retentionMs, logger });
  retention.start();
  releases.push(() => retention.close());

  const services: ToolServices = {
    execution,
    blockId: (taskId) => workspace.blockId(taskId),
    block: (taskId) => workspace.block(taskId),
    version: VERSION,
    mode: runner.name,
    startedAt: Date.now(),
    dependencies: () => [...execution.health(), ...deliveries.map((delivery) => delivery.health())],
  };
  const start = async (access: Config['http']): Promise<HttpServer> => {
    const server = await startHttpServer({ ...access, services, logger });
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

/** Whatever follows the log from outside. What is off is not even loaded. */
async function sinks(
  { letta, workspace: { blockLimit } }: Config,
  workspace: WorkspaceManager,
): Promise<Sink[]> {
  const { url, token, detachDelayMs } = letta;
  if (url === undefined) return [];
  const { LettaSink } = await import('./notifications/letta/letta-sink.ts');
  const block = (taskId: string) => workspace.current(taskId);
  return [new LettaSink({ endpoint: { url, token }, block, blockLimit, detachDelayMs })];
}

/** The feature flag is read here, and below for what the other mode left. */
function startRunner(config: Config, store: TaskStore, logger: Logger, releases: Release[]): Promise<Runner> {
  return config.openCode.enabled
    ? startOpenCodeRunner(config, logger, releases)
    : startDockerRunner(config, store, logger, releases);
}

/** An embedded server ended with the bridge that started it. */
function otherRunner(config: Config, store: TaskStore, logger: Logger): OtherRunner {
  const { enabled, url, username, password } = config.openCode;
  if (enabled) return () => dockerRunner(config, store, logger);
  const endpoint = url === undefined ? undefined : { url, username, password };
  return async () => endpoint && clientManager(config, endpoint, logger);
}

async function startOpenCodeRunner(config: Config, logger: Logger, releases: Release[]): Promise<Runner> {
  const endpoint = await openCodeEndpoint(config, logger, releases);
  const manager = await clientManager(config, endpoint, logger);
  manager.start();
  releases.push(() => manager.close());
  return manager;
}

async function openCodeEndpoint(
  { openCode, childEnv, dataDir }: Config,
  logger: Logger,
  releases: Release[],
): Promise<Endpoint> {
  const { url, username, password, bin, snapshot } = openCode;
  if (url !== undefined) return { url, username, password };
  const { findOpenCode } = await import('./execution/opencode/binary.ts');
  const { EmbeddedServer } = await import('./execution/opencode/embedded-server.ts');
  const binary = findOpenCode(bin, childEnv.PATH);
  const server = await EmbeddedServer.start({ binary, env: childEnv, cwd: dataDir, snapshot, logger });
  releases.push(() => server.close());
  return server.endpoint;
}

async function startDockerRunner(
  config: Config,
  store: TaskStore,
  logger: Logger,
  releases: Release[],
): Promise<Runner> {
  const runner = await dockerRunner(config, store, logger);
  releases.push(() => runner.close());
  await runner.start();
  return runner;
}

// A start takes neither the time nor the memory of the mode that the bridge is not in.

async function clientManager(
  { openCode }: Config,
  endpoint: Endpoint,
  logger: Logger,
): Promise<OpenCodeClientManager> {
  const { OpenCodeClientManager } = await import('./execution/opencode/client-manager.ts');
  return new OpenCodeClientManager({ ...openCode, endpoint, logger });
}

async function dockerRunner(config: Config, store: TaskStore, logger: Logger): Promise<DockerRunner> {
  const { DockerRunner } = await import('./execution/docker/docker-runner.ts');
  const { model, agent } = config.openCode;
  return new DockerRunner({ ...config.docker, model, agent, dataDir: config.dataDir, store, logger });
}
