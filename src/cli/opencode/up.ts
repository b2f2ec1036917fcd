import { realpath, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Config } from '../../config/config.ts';
import { BridgeError, messageOf, quote } from '../../errors.ts';
import { containerUserFor } from '../../runners/docker/container-user.ts';
import { assertSeparateFromDataDir, filesInside } from '../../runners/docker/data-dir-guard.ts';
import { DockerClient } from '../../runners/docker/docker-client.ts';
import { ServerContainer, type ServerContainerOptions } from '../../runners/docker/server-container.ts';
import { OpenCodeApi } from '../../runners/opencode-server/api.ts';
import { isFree } from '../../runners/opencode-server/free-port.ts';
import { EXIT } from '../command.ts';
import { presentImage } from './image.ts';
import { endpointOf, readOptions, seconds } from './options.ts';
import { print, warn } from './output.ts';

const OPTIONS = z.object({ network: z.enum(['bridge', 'host']).default('bridge'), timeout: seconds(60) });
/** A request that OpenCode takes before it listens is never answered: short attempts, many of them. */
const ATTEMPT_MS = 500;
const PAUSE_MS = 100;
const LAST_LINES = 20;

/** Starts the server and waits until it is healthy; does nothing to one that runs as configured. */
export async function up(config: Config, args: string[]): Promise<number> {
  const { network, timeout } = readOptions(args, OPTIONS);
  const { port } = config.engine;
  const engine = new DockerClient(config.docker.host);
  const image = await presentImage(engine, config.engine);
  const order = await orderOf(config, image, network);
  const container = new ServerContainer(engine, port);
  const runs = await container.isRunning(order);
  if (!runs) {
    await requireFree(port);
    warnAbout(order);
    await container.start(order);
  }
  const endpoint = endpointOf(config, undefined);
  const version = await healthy(new OpenCodeApi(endpoint), container, timeout);
  if (version === undefined) return failed(container, timeout, runs);
  print(`${container.name} is ${runs ? 'already up' : 'up'}`);
  print(`  URL        ${endpoint.url}`);
  print(`  OpenCode   ${version}`);
  print(`  image      ${image}`);
  print(`  workspace  ${order.root}`);
  print(`  variables  ${Object.keys(order.env).join(', ') || 'none: no key of a model provider is set'}`);
  return EXIT.ok;
}

async function orderOf(
  { engine, openCode, docker, dataDir, envFiles }: Config,
  image: string,
  network: ServerContainerOptions['network'],
): Promise<ServerContainerOptions> {
  const root = await existing(engine.root);
  await assertSeparateFromDataDir('WORKSPACE_ROOT', root, dataDir);
  const hiddenFiles = await filesInside(root, envFiles);
  const { uid, gid } = await containerUserFor(root, false);
  const { username, password } = openCode;
  const { port, env } = engine;
  return {
    image,
    port,
    root,
    hiddenFiles,
    user: `${uid}:${gid}`,
    network,
    username,
    password,
    env,
    limits: docker.limits,
  };
}

async function existing(root: string): Promise<string> {
  const found = await stat(root).catch(() => undefined);
  if (found?.isDirectory()) return realpath(root);
  throw new BridgeError('INVALID_INPUT', `WORKSPACE_ROOT ${quote(root)} is not a folder.`, {
    next: 'Set it to the folder in which OpenCode is to work.',
  });
}

function warnAbout({ port, network, password, user, root }: ServerContainerOptions): void {
  if (password === undefined) {
    const others = network === 'bridge' ? ", and every container in Docker's network bridge," : '';
    warn(
      `Without OPENCODE_SERVER_PASSWORD everyone on this machine${others} can run code through port ${port}.`,
    );
  }
  if (user.startsWith('0:'))
    warn(`${root} belongs to root, so OpenCode is root in its container, without any capability.`);
}

/** Else another server on that port would answer instead of the container. */
async function requireFree(port: number): Promise<void> {
  if (await isFree(port)) return;
  throw new BridgeError('INVALID_STATE', `OPENCODE_PORT "${port}" is in use on 127.0.0.1.`, {
    next: 'Stop the process that listens there, or set OPENCODE_PORT to another port.',
  });
}

/** The version of the server once it answers; undefined after the time limit, or where the container has exited. */
async function healthy(
  api: OpenCodeApi,
  container: ServerContainer,
  limitMs: number,
): Promise<string | undefined> {
  const deadline = Date.now() + limitMs;
  while (Date.now() < deadline && (await container.state())?.status === 'running') {
    try {
      return (await api.health(ATTEMPT_MS)).version;
    } catch (thrown) {
      if (!(thrown instanceof BridgeError && thrown.code === 'ENGINE_UNAVAILABLE')) throw thrown;
    }
    await sleep(PAUSE_MS);
  }
  return undefined;
}

/** Prints the reason, and removes a container that this command started. */
async function failed(container: ServerContainer, limitMs: number, ran: boolean): Promise<number> {
  const state = await container.state();
  const lines = await container.lastLines(LAST_LINES);
  const ended = `ended with exit code ${state?.exitCode}${state?.oomKilled ? ', out of memory (RUNNER_MEMORY_LIMIT)' : ''}`;
  const how = state?.status === 'ended' ? ended : `was not healthy within ${limitMs / 1000} s`;
  warn(`${container.name} ${how}. ${lines.length > 0 ? 'Its last lines:' : 'It wrote nothing.'}`);
  for (const line of lines) warn(`  ${line}`);
  if (!ran) await container.remove().catch((thrown) => warn(messageOf(thrown)));
  return EXIT.failed;
}
