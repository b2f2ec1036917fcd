import { join, resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Logger } from '../logger.ts';
import type { DockerRunner } from '../runners/docker/docker-runner.ts';
import type { OpenCodeClientManager } from '../runners/opencode-server/client-manager.ts';
import type { Endpoint } from '../runners/opencode-server/endpoint.ts';
import type { Runner } from '../runners/runner.ts';
import type { OtherRunner } from '../runners/runner-mismatch.ts';
import type { Shells } from '../runners/shell/shells.ts';
import type { TaskStore } from '../store/task-store.ts';
import type { Providers } from './providers.ts';
import type { Release } from './release.ts';

/** Starts the runner of the configured mode. */
export function startRunner(
  config: Config,
  store: TaskStore,
  providers: Providers | undefined,
  logger: Logger,
  releases: Release[],
): Promise<Runner> {
  return config.openCode.enabled
    ? startOpenCodeRunner(config, providers, logger, releases)
    : startDockerRunner(config, store, providers, logger, releases);
}

/** The runner of the other mode, for tasks that it left; undefined for an embedded server, which ended with its bridge. */
export function otherRunner(config: Config, store: TaskStore, logger: Logger): OtherRunner {
  const { enabled, url, username, password } = config.openCode;
  if (enabled) return () => dockerRunner(config, store, logger);
  const endpoint = url === undefined ? undefined : { url, username, password };
  return async () => endpoint && clientManager(config, endpoint, logger);
}

async function startOpenCodeRunner(
  config: Config,
  providers: Providers | undefined,
  logger: Logger,
  releases: Release[],
): Promise<Runner> {
  const endpoint = await openCodeEndpoint(config, providers, logger, releases);
  const manager = await clientManager(config, endpoint, logger);
  manager.start();
  releases.push(() => manager.close());
  return manager;
}

async function openCodeEndpoint(
  config: Config,
  providers: Providers | undefined,
  logger: Logger,
  releases: Release[],
): Promise<Endpoint> {
  const { openCode, childEnv, dataDir } = config;
  const { url, username, password, bin, snapshot } = openCode;
  if (url !== undefined) return { url, username, password };
  const { findOpenCode } = await import('../runners/opencode-server/binary.ts');
  const { EmbeddedServer } = await import('../runners/opencode-server/embedded-server.ts');
  const binary = findOpenCode(bin, childEnv.PATH);
  const shells = await startShells(config, logger);
  releases.push(() => shells.close());
  const server = await EmbeddedServer.start({
    binary,
    env: childEnv,
    cwd: dataDir,
    snapshot,
    providers: providers && (() => providers.forServer()),
    shells,
    logger,
  });
  releases.push(() => server.close());
  return server.endpoint;
}

async function startShells(config: Config, logger: Logger): Promise<Shells> {
  const { Shells } = await import('../runners/shell/shells.ts');
  const { shell, childEnv, dataDir, workspace, matrix } = config;
  return Shells.start({
    ...shell,
    folder: join(dataDir, 'shell'),
    env: childEnv,
    // A .env with variables of the bridge is often in the folder where it is started.
    privateFolders: [dataDir, resolve('.env'), ...config.envFiles, ...(matrix ? [matrix.storagePath] : [])],
    workspaceDir: workspace.dir,
    roots: workspace.roots,
    logger,
  });
}

async function startDockerRunner(
  config: Config,
  store: TaskStore,
  providers: Providers | undefined,
  logger: Logger,
  releases: Release[],
): Promise<Runner> {
  const runner = await dockerRunner(config, store, logger, providers);
  releases.push(() => runner.close());
  await runner.start();
  return runner;
}

// Dynamic imports: a start loads only the modules of its own mode.

async function clientManager(
  { openCode, requests }: Config,
  endpoint: Endpoint,
  logger: Logger,
): Promise<OpenCodeClientManager> {
  const { OpenCodeClientManager } = await import('../runners/opencode-server/client-manager.ts');
  const asksOutside = requests.outside !== 'allow';
  return new OpenCodeClientManager({ ...openCode, asksOutside, endpoint, logger });
}

async function dockerRunner(
  config: Config,
  store: TaskStore,
  logger: Logger,
  providers?: Providers,
): Promise<DockerRunner> {
  const { DockerRunner } = await import('../runners/docker/docker-runner.ts');
  const { dataDir, envFiles } = config;
  const { model, agent } = config.openCode;
  const shared = { dataDir, envFiles, store, logger };
  return new DockerRunner({ ...config.docker, model, agent, providers: providers?.forTask, ...shared });
}
