import { createHash } from 'node:crypto';
import type { ContainerCreateOptions } from 'dockerode';
import { BridgeError } from '../../errors.ts';
import { ENGINE_MEMORY } from '../opencode-protocol/engine-memory.ts';
import {
  bindMount,
  boundedLog,
  HOME,
  maskFile,
  type ResourceLimits,
  restrictions,
} from './container-spec.ts';
import type { ContainerState, DockerClient } from './docker-client.ts';

/** The port of a server, and a hash of all that it was started with. */
const LABELS = { port: 'letta-opencode-plugin.engine', settings: 'letta-opencode-plugin.settings' } as const;
/** For what a container that runs has written so far; its log has no end. */
const LOG_LIMIT_MS = 2_000;
const LOG_FILE_BYTES = 10 * 2 ** 20;
/** Characters of it that are kept to show the last lines. */
const TAIL = 64_000;

/** What a server in a container is to be. */
export interface ServerContainerOptions {
  /** Id of an image with `opencode` on its PATH. */
  image: string;
  port: number;
  /** The folder that it sees, at the same path. */
  root: string;
  /** Files in it that it is not to see; they are empty for it. */
  hiddenFiles?: readonly string[] | undefined;
  /** uid:gid. */
  user: string;
  /** `host`: it listens on the machine's own loopback. */
  network: 'bridge' | 'host';
  username: string;
  password?: string | undefined;
  /** Variables that are handed on, with their values. */
  env: Readonly<Record<string, string>>;
  limits: ResourceLimits;
}

/** An OpenCode server in a container, on a port of this machine's loopback; one for each port. */
export class ServerContainer {
  readonly name: string;
  readonly #engine: DockerClient;
  readonly #port: number;

  constructor(engine: DockerClient, port: number) {
    this.name = `letta-opencode-engine-${port}`;
    this.#engine = engine;
    this.#port = port;
  }

  /** Whether it runs as ordered. Throws INVALID_STATE where it runs with another image or other settings. */
  async isRunning(order: ServerContainerOptions): Promise<boolean> {
    const [found] = await this.#found();
    if (!found || (await this.#engine.state(found.name))?.status !== 'running') return false;
    if (found.labels[LABELS.settings] === settingsOf(serverSpec(order))) return true;
    throw new BridgeError('INVALID_STATE', `${this.name} runs with another image or other settings.`, {
      next: 'Remove it first: letta-opencode-plugin opencode down (npm run opencode:down).',
    });
  }

  /** Starts it in place of one that has ended; what does not start is removed. */
  async start(order: ServerContainerOptions): Promise<void> {
    await this.remove();
    const spec = serverSpec(order);
    const Labels = { [LABELS.port]: `${this.#port}`, [LABELS.settings]: settingsOf(spec) };
    await this.#engine.create(this.name, { ...spec, Labels });
    try {
      await this.#engine.start(this.name);
    } catch (thrown) {
      await this.remove();
      throw thrown;
    }
  }

  /** Undefined where there is none. */
  state(): Promise<ContainerState | undefined> {
    return this.#engine.state(this.name);
  }

  /** What it wrote last. */
  async lastLines(count: number): Promise<string[]> {
    let written = '';
    const hear = (_stream: string, chunk: Buffer): void => {
      written = `${written}${chunk}`.slice(-TAIL);
    };
    await this.#engine.followLogs(this.name, hear, AbortSignal.timeout(LOG_LIMIT_MS));
    return written.trim().split('\n').filter(Boolean).slice(-count);
  }

  /** Bytes of memory; undefined where it does not run. */
  async memory(): Promise<number | undefined> {
    const [found] = await this.#found();
    if (!found || (await this.#engine.state(found.name))?.status !== 'running') return undefined;
    return this.#engine.memory(found.name);
  }

  /** Ends and removes it; whether there was one. */
  async remove(): Promise<boolean> {
    const found = await this.#found();
    for (const { name } of found) await this.#engine.remove(name);
    return found.length > 0;
  }

  #found(): Promise<{ name: string; labels: Record<string, string> }[]> {
    return this.#engine.list({ [LABELS.port]: `${this.#port}` });
  }
}

/** What the engine is told to create: `opencode serve`, whatever the image starts by itself, held in like a task. */
export function serverSpec(order: ServerContainerOptions): ContainerCreateOptions {
  const { image, port, root, hiddenFiles = [], user, network, limits } = order;
  const published = `${port}/tcp`;
  const onHost = network === 'host';
  return {
    Image: image,
    Entrypoint: ['opencode'],
    Cmd: ['serve', '--hostname', onHost ? '127.0.0.1' : '0.0.0.0', '--port', `${port}`],
    Env: variables(order),
    WorkingDir: root,
    User: user,
    // The image's own may look at another port.
    Healthcheck: { Test: ['NONE'] },
    ...(!onHost && { ExposedPorts: { [published]: {} } }),
    HostConfig: {
      Mounts: [bindMount(root, root), ...hiddenFiles.map(maskFile)],
      ...restrictions(user, limits),
      NetworkMode: network,
      LogConfig: boundedLog(LOG_FILE_BYTES),
      ...(!onHost && { PortBindings: { [published]: [{ HostIp: '127.0.0.1', HostPort: `${port}` }] } }),
    },
  };
}

function variables({ env, username, password }: ServerContainerOptions): string[] {
  const all = {
    ...ENGINE_MEMORY,
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    ...env,
    HOME,
    OPENCODE_SERVER_USERNAME: username,
    ...(password !== undefined && { OPENCODE_SERVER_PASSWORD: password }),
  };
  return Object.entries(all).map(([name, value]) => `${name}=${value}`);
}

function settingsOf(spec: ContainerCreateOptions): string {
  return createHash('sha256').update(JSON.stringify(spec)).digest('hex');
}
