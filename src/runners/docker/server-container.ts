import { createHash } from 'node:crypto';
import type { ContainerCreateOptions } from 'dockerode';
import { BridgeError } from '../../errors.ts';
import { ENGINE_MEMORY } from '../opencode-protocol/engine-runtime.ts';
import {
  bindMount,
  boundedLog,
  HOME,
  maskFile,
  type ResourceLimits,
  restrictions,
} from './container-spec.ts';
import type { ContainerState, DockerClient } from './docker-client.ts';

/** The port of the server, and a hash of its container spec. */
const LABELS = { port: 'letta-opencode-plugin.engine', settings: 'letta-opencode-plugin.settings' } as const;
/** How long the log is read: that of a running container has no end. */
const LOG_READ_MS = 2_000;
const LOG_FILE_BYTES = 10 * 2 ** 20;
/** Characters of the log that are kept to find the last lines. */
const TAIL_LENGTH = 64_000;

/** How to run an OpenCode server in a container. */
export interface ServerContainerOptions {
  /** The id of an image that has `opencode` on its PATH. */
  image: string;
  port: number;
  /** The folder that is mounted, at the same path. */
  root: string;
  /** Files in that folder that the container sees as empty. */
  hiddenFiles?: readonly string[] | undefined;
  /** uid:gid. */
  user: string;
  /** `host`: the server listens on the loopback of the machine itself. */
  network: 'bridge' | 'host';
  username: string;
  password?: string | undefined;
  /** Environment variables of the server. */
  env: Readonly<Record<string, string>>;
  limits: ResourceLimits;
}

/** The container of an OpenCode server on a loopback port of this machine; there is one for each port. */
export class ServerContainer {
  readonly name: string;
  readonly #docker: DockerClient;
  readonly #port: number;

  constructor(docker: DockerClient, port: number) {
    this.name = `letta-opencode-engine-${port}`;
    this.#docker = docker;
    this.#port = port;
  }

  /** Whether it runs with these options. Throws INVALID_STATE where it runs with other ones. */
  async isRunning(options: ServerContainerOptions): Promise<boolean> {
    const [found] = await this.#find();
    if (!found || (await this.#docker.state(found.name))?.status !== 'running') return false;
    if (found.labels[LABELS.settings] === hashOf(serverSpec(options))) return true;
    throw new BridgeError('INVALID_STATE', `${this.name} runs with another image or other settings.`, {
      next: 'Remove it first: letta-opencode-plugin opencode down (npm run opencode:down).',
    });
  }

  /** Starts it in place of an earlier one. Removes it again where it cannot be started. */
  async start(options: ServerContainerOptions): Promise<void> {
    await this.remove();
    const spec = serverSpec(options);
    const Labels = { [LABELS.port]: `${this.#port}`, [LABELS.settings]: hashOf(spec) };
    await this.#docker.create(this.name, { ...spec, Labels });
    try {
      await this.#docker.start(this.name);
    } catch (thrown) {
      await this.remove();
      throw thrown;
    }
  }

  /** Undefined where there is no such container. */
  state(): Promise<ContainerState | undefined> {
    return this.#docker.state(this.name);
  }

  /** The last lines of its output. */
  async lastLines(count: number): Promise<string[]> {
    let output = '';
    const onOutput = (_stream: string, chunk: Buffer): void => {
      output = `${output}${chunk}`.slice(-TAIL_LENGTH);
    };
    await this.#docker.followLogs(this.name, onOutput, AbortSignal.timeout(LOG_READ_MS));
    return output.trim().split('\n').filter(Boolean).slice(-count);
  }

  /** Bytes of memory that it uses; undefined where it does not run. */
  async memory(): Promise<number | undefined> {
    const [found] = await this.#find();
    if (!found || (await this.#docker.state(found.name))?.status !== 'running') return undefined;
    return this.#docker.memory(found.name);
  }

  /** Kills and removes it; whether there was one. */
  async remove(): Promise<boolean> {
    const found = await this.#find();
    for (const { name } of found) await this.#docker.remove(name);
    return found.length > 0;
  }

  #find(): Promise<{ name: string; labels: Record<string, string> }[]> {
    return this.#docker.list({ [LABELS.port]: `${this.#port}` });
  }
}

/** A container that runs `opencode serve`, whatever the entrypoint of the image, with the restrictions of a task. */
export function serverSpec(options: ServerContainerOptions): ContainerCreateOptions {
  const { image, port, root, hiddenFiles = [], user, network, limits } = options;
  const published = `${port}/tcp`;
  const onHost = network === 'host';
  return {
    Image: image,
    Entrypoint: ['opencode'],
    Cmd: ['serve', '--hostname', onHost ? '127.0.0.1' : '0.0.0.0', '--port', `${port}`],
    Env: variables(options),
    WorkingDir: root,
    User: user,
    // The health check of the image may test another port.
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

function hashOf(spec: ContainerCreateOptions): string {
  return createHash('sha256').update(JSON.stringify(spec)).digest('hex');
}
