import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ContainerCreateOptions } from 'dockerode';
import { type ContainerLimits, containerSpec } from '../../src/runners/docker/container-spec.ts';
import { containerUserFor } from '../../src/runners/docker/container-user.ts';
import { SessionFolder } from '../../src/runners/docker/session-folder.ts';
import { makeTaskDirectory } from '../../src/workspaces/resolve-directory.ts';
import { engine } from '../support/docker.ts';

const run = promisify(execFile);

/** What somebody without the bridge types: `docker run --rm` and what the bridge's own spec says, word for word. */
export class ByHand {
  readonly #root: string;
  readonly #limits: ContainerLimits;
  #folders = 0;

  constructor(root: string, limits: ContainerLimits) {
    this.#root = root;
    this.#limits = limits;
  }

  /** The arguments for a prompt in a new folder; all that the container mounts is there. */
  async prepare(prompt: string): Promise<string[]> {
    this.#folders += 1;
    const taskId = `by-hand-${this.#folders}`;
    const directory = join(this.#root, taskId);
    await makeTaskDirectory(directory);
    const owner = await containerUserFor(directory, true);
    const session = new SessionFolder(join(this.#root, 'sessions'), taskId);
    await session.prepare(taskId, owner);
    const { dataDir } = session;
    const promptFile = await session.writePrompt(taskId, prompt);
    const user = `${owner.uid}:${owner.gid}`;
    const order = { bridgeId: 'by-hand', taskId, agentId: 'bench', directory, dataDir, promptFile, user };
    return argumentsOf(containerSpec(order, this.#limits));
  }

  prepareMany(count: number, prompt: string): Promise<string[][]> {
    return Promise.all(Array.from({ length: count }, () => this.prepare(prompt)));
  }

  /** Resolves when the container is gone; rejects where the model did not come to its end. */
  async run(args: readonly string[]): Promise<void> {
    const env = { DOCKER_HOST: engine.host, DOCKER_CONFIG: join(this.#root, 'client') };
    const { stdout } = await run('/usr/bin/docker', args, { env });
    if (!stdout.includes('"reason":"stop"')) throw new Error(`the run did not complete: ${stdout}`);
  }
}

function argumentsOf(spec: ContainerCreateOptions): string[] {
  const { Image = '', Entrypoint = [], Cmd = [], Env = [], Labels = {}, HostConfig: host = {} } = spec;
  const [entrypoint = '', ...words] = [Entrypoint].flat();
  const flag = (name: string, values: readonly string[]) => values.flatMap((value) => [`--${name}`, value]);
  const pairs = (values: Record<string, string>, between: string) =>
    Object.entries(values).map(([name, value]) => `${name}${between}${value}`);
  return [
    ...['run', '--rm', '--init', '--read-only'],
    ...flag('entrypoint', [entrypoint]),
    ...flag('env', Env),
    ...flag('label', pairs(Labels, '=')),
    ...flag('workdir', [spec.WorkingDir ?? '']),
    ...flag('user', [spec.User ?? '']),
    ...flag(
      'mount',
      (host.Mounts ?? []).map(
        ({ Source, Target, ReadOnly }) =>
          `type=bind,source=${Source},target=${Target}${ReadOnly ? ',readonly' : ''}`,
      ),
    ),
    ...flag('tmpfs', pairs(host.Tmpfs ?? {}, ':')),
    ...flag('cpus', [String((host.NanoCpus ?? 0) / 1e9)]),
    ...flag('memory', [String(host.Memory)]),
    ...flag('memory-swap', [String(host.MemorySwap)]),
    ...flag('pids-limit', [String(host.PidsLimit)]),
    ...flag('cap-drop', host.CapDrop ?? []),
    ...flag('security-opt', host.SecurityOpt ?? []),
    ...flag('network', [host.NetworkMode ?? '']),
    ...flag('log-driver', [host.LogConfig?.Type ?? '']),
    ...[Image, ...words, ...Cmd],
  ];
}
