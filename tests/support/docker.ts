import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { releaseAll } from '../../src/app/release.ts';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import type { ContainerLimits } from '../../src/runners/docker/container-spec.ts';
import { DockerRunner } from '../../src/runners/docker/docker-runner.ts';
import type { Task } from '../../src/tasks/task.ts';
import { logger } from './bridge.ts';
import { type ManageSetup, manage, type Releases } from './manage.ts';
import { hermeticEnv } from './opencode.ts';
import { tempDir } from './temp.ts';

export const IMAGE = 'letta-opencode-runner:test';
/** With tests/support/scripted-opencode.mjs for OpenCode: it starts at once. */
export const SCRIPTED_IMAGE = 'letta-opencode-runner:scripted';
/** An empty catalogue of models, which tests/support/docker-engine puts into each image. */
const NO_MODELS = '/usr/share/no-models.json';
const SOCKET = join(process.env.BRIDGE_TESTS_ENGINE ?? '/tmp/letta-opencode-plugin-engine', 'docker.sock');

/** The Docker Engine of the tests: its address and its API; `absent` is the reason why there is none. */
export const engine = {
  host: `unix://${SOCKET}`,
  socket: SOCKET,
  api: new Docker({ socketPath: SOCKET }),
  absent: await whyAbsent(),
};

async function whyAbsent(): Promise<string | undefined> {
  try {
    // The last that it makes but for IMAGE, which an engine for the scripted one alone has not.
    await new Docker({ socketPath: SOCKET }).getImage(SCRIPTED_IMAGE).inspect();
    return undefined;
  } catch {
    return `no Docker Engine with ${SCRIPTED_IMAGE} at ${SOCKET}: run tests/support/docker-engine up`;
  }
}

/** Limits of a container that can reach the scripted model on this machine's loopback. */
export function testLimits(modelUrl: string, limits: Partial<ContainerLimits> = {}): ContainerLimits {
  return {
    image: IMAGE,
    cpus: 2,
    memoryBytes: 2 * 2 ** 30,
    pids: 512,
    network: 'host',
    env: containerEnv(modelUrl),
    permissions: 'allow',
    ...limits,
  };
}

/** The environment of a hermetic OpenCode in a container, with the scripted model as its only model. */
export function containerEnv(modelUrl: string, config: object = {}): Record<string, string> {
  const keep = /^(OPENCODE_|npm_config_registry)/;
  const all = hermeticEnv('/home/agent', modelUrl, config);
  const kept = Object.fromEntries(Object.entries(all).filter(([name]) => keep.test(name)));
  return { ...kept, OPENCODE_MODELS_PATH: NO_MODELS };
}

/** A busy machine needs long to start a container and the OpenCode in it. */
const PATIENT = { defaultTimeoutMs: 180_000 };

export interface DockerSetup extends ManageSetup {
  container?: Partial<ContainerLimits>;
  /** OpenCode's configuration, by top-level key. */
  config?: object;
  /** Additional variables of the containers. */
  variables?: Record<string, string>;
}

export type DockerBridge = Awaited<ReturnType<typeof startDockerBridge>>;

/** The bridge without transports and sinks, in Docker mode, on the real Docker Engine; its containers have the real OpenCode. */
export async function startDockerBridge(setup: DockerSetup = {}) {
  const releases: Releases = [];
  const close = (): Promise<void> => releaseAll(releases, logger);
  const root = await tempDir('docker-bridge-');
  releases.push(root.remove);
  await chmod(root.path, 0o755);
  const dataDir = join(root.path, 'data');
  await mkdir(dataDir);
  const model = await startScriptedModel();
  releases.push(() => model.close());
  releases.push(() => expectNoContainers(dataDir));
  const env = { ...containerEnv(model.url, setup.config), ...setup.variables };
  const limits = testLimits(model.url, { env, ...setup.container });
  /** A runner on this DATA_DIR with these tasks. */
  const runnerOn = async (store: ConstructorParameters<typeof DockerRunner>[0]['store']) => {
    const started = new DockerRunner({ host: engine.host, limits, dataDir, store, logger });
    await started.start();
    return started;
  };
  const managed = await manage(
    { ...setup, limits: { ...PATIENT, ...setup.limits } },
    root.path,
    model,
    logger,
    releases,
    runnerOn,
  );
  return { ...managed, dataDir, runnerOn, close, [Symbol.asyncDispose]: close };
}

/** The same with the scripted OpenCode, for what is not about OpenCode. */
export function startScriptedDockerBridge(setup: DockerSetup = {}): Promise<DockerBridge> {
  return startDockerBridge({ ...setup, container: { image: SCRIPTED_IMAGE, ...setup.container } });
}

/** The containers of a task. */
export function containersOf(task: Pick<Task, 'id'>): Promise<Docker.ContainerInfo[]> {
  const filters = { label: [`letta-opencode-plugin.task=${task.id}`] };
  return engine.api.listContainers({ all: true, filters });
}

/** The container of a task; throws unless there is exactly one. */
export async function containerOf(task: Pick<Task, 'id'>): Promise<Docker.Container> {
  const [only, ...others] = await containersOf(task);
  if (!only || others.length > 0)
    throw new Error(`task ${task.id} has ${others.length + (only ? 1 : 0)} containers`);
  return engine.api.getContainer(only.Id);
}

/** Removes the containers of the bridge of this DATA_DIR and returns them. The bridge may remove them at the same time. */
export async function removeContainers(dataDir: string): Promise<string[]> {
  const bridge = (await readFile(join(dataDir, 'bridge-id'), 'utf8')).trim();
  const filters = { label: [`letta-opencode-plugin.bridge=${bridge}`] };
  const left = await engine.api.listContainers({ all: true, filters });
  for (const { Id } of left) {
    const removed = engine.api.getContainer(Id).remove({ force: true });
    await removed.catch((thrown) => {
      if (![404, 409].includes(thrown.statusCode)) throw thrown;
    });
  }
  return left.map(({ Labels, State }) => `${Labels['letta-opencode-plugin.task']} (${State})`);
}

async function expectNoContainers(dataDir: string): Promise<void> {
  const left = await removeContainers(dataDir);
  if (left.length > 0) throw new Error(`left behind: the containers of ${left.join(', ')}`);
}
