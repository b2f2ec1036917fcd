import type { Config } from '../config/config.ts';
import type { DockerRunner } from '../execution/docker/docker-runner.ts';
import type { OpenCodeClientManager } from '../execution/opencode/client-manager.ts';
import type { Endpoint } from '../execution/opencode/endpoint.ts';
import type { OtherRunner } from '../execution/other-mode.ts';
import type { Runner } from '../execution/runner.ts';
import type { Logger } from '../logger.ts';
import type { TaskStore } from '../tasks/task-store.ts';
import type { Release } from './release.ts';

/** The feature flag is read here, and below for what the other mode left. */
export function startRunner(
  config: Config,
  store: TaskStore,
  logger: Logger,
  releases: Release[],
): Promise<Runner> {
  return config.openCode.enabled
    ? startOpenCodeRunner(config, logger, releases)
    : startDockerRunner(config, store, logger, releases);
}

/** An embedded server ended with the bridge that started it. */
export function otherRunner(config: Config, store: TaskStore, logger: Logger): OtherRunner {
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
  const { findOpenCode } = await import('../execution/opencode/binary.ts');
  const { EmbeddedServer } = await import('../execution/opencode/embedded-server.ts');
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
  { openCode, requests }: Config,
  endpoint: Endpoint,
  logger: Logger,
): Promise<OpenCodeClientManager> {
  const { OpenCodeClientManager } = await import('../execution/opencode/client-manager.ts');
  const asksOutside = requests.outside !== 'allow';
  return new OpenCodeClientManager({ ...openCode, asksOutside, endpoint, logger });
}

async function dockerRunner(config: Config, store: TaskStore, logger: Logger): Promise<DockerRunner> {
  const { DockerRunner } = await import('../execution/docker/docker-runner.ts');
  const { model, agent } = config.openCode;
  return new DockerRunner({ ...config.docker, model, agent, dataDir: config.dataDir, store, logger });
}
