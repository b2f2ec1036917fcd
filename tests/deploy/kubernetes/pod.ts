import { text } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { engine } from '../../support/docker.ts';
import { IMAGES } from '../built.ts';
import type { KubernetesObject } from './build.ts';
import { containerOptions, type Placement } from './container-options.ts';
import { type PodSpec, podOf } from './pod-spec.ts';
import { folderOf, makeVolume } from './volumes.ts';

const LABEL = 'letta-test-pod';

export interface PodSetup {
  /** Also the prefix of what the engine has of it. */
  name: string;
  workload: KubernetesObject;
  objects: readonly KubernetesObject[];
  network: string;
  images: Placement['images'];
}

interface Running {
  sandbox: Docker.Container;
  ip: string;
  containers: Map<string, Docker.Container>;
}

/**
 * A pod on the tests' engine, as kubelet starts and ends it: one network for all containers, sidecars first, with the
 * pod's users, limits, volumes and environment. Claims outlive the pod, everything else does not.
 */
export class Pod {
  readonly spec: PodSpec;
  readonly #setup: PodSetup;
  #running: Running | undefined;

  constructor(setup: PodSetup) {
    this.#setup = setup;
    this.spec = podOf(setup.workload);
  }

  get ip(): string {
    return this.#now().ip;
  }

  container(name: string): Docker.Container {
    const found = this.#now().containers.get(name);
    if (!found) throw new Error(`no container ${name}`);
    return found;
  }

  async start(): Promise<void> {
    const { name, objects, network, images } = this.#setup;
    const { fsGroup } = this.spec.securityContext;
    const volumes = new Map<string, string>();
    for (const volume of this.spec.volumes)
      volumes.set(volume.name, await makeVolume(volume, fsGroup, name, objects));
    const labels = { [LABEL]: name };
    const sandbox = await engine.api.createContainer({
      Image: IMAGES.bridge,
      Entrypoint: ['sleep', 'infinity'],
      Cmd: [],
      Healthcheck: { Test: ['NONE'] },
      Labels: labels,
      HostConfig: {
        NetworkMode: network,
        IpcMode: 'shareable',
        // So that what is in memory outlives a restart of the containers that use it.
        Mounts: [...volumes].map(([target, Source]) => ({
          Type: 'volume',
          Source,
          Target: `/volumes/${target}`,
        })),
      },
    });
    await sandbox.start();
    const { NetworkSettings } = await sandbox.inspect();
    const ip = NetworkSettings.Networks[network]?.IPAddress ?? '';
    const containers = new Map<string, Docker.Container>();
    this.#running = { sandbox, ip, containers };
    const place = { pod: this.spec, objects, sandbox: sandbox.id, volumes, labels, images };
    for (const container of [...this.spec.initContainers, ...this.spec.containers]) {
      const created = await engine.api.createContainer(containerOptions(container, place));
      containers.set(container.name, created);
      await created.start();
    }
  }

  /** As the pod is deleted: SIGTERM, SIGKILL after the grace period; sidecars get theirs after the others have ended. */
  async stop(): Promise<void> {
    const end = Date.now() + this.spec.terminationGracePeriodSeconds * 1000;
    for (const group of [this.spec.containers, this.spec.initContainers]) {
      const t = Math.max(1, Math.round((end - Date.now()) / 1000));
      await Promise.all(group.map(({ name }) => this.container(name).stop({ t })));
    }
    await this.#discard();
  }

  /** As its node is lost. */
  async kill(): Promise<void> {
    await this.#discard();
  }

  /** What a program says in a container, and its exit code; undefined where it took longer. */
  async exec(name: string, command: readonly string[], timeoutMs = 60_000) {
    const exec = await this.container(name).exec({
      Cmd: [...command],
      AttachStdout: true,
      AttachStderr: true,
      Tty: true,
    });
    const stream = await exec.start({ Tty: true });
    const timer = setTimeout(() => stream.destroy(), timeoutMs);
    try {
      const output = await text(stream);
      return { code: (await exec.inspect()).ExitCode, output: output.trim() };
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The folder of a volume on this machine. */
  folder(volume: string): Promise<string> {
    return folderOf(`${this.#setup.name}-${volume}`);
  }

  /** Removes everything, claims too. */
  async remove(): Promise<void> {
    await this.#discard();
    for (const { name } of this.spec.volumes) await this.#removeVolume(name);
  }

  async #discard(): Promise<void> {
    const filters = { label: [`${LABEL}=${this.#setup.name}`] };
    const left = await engine.api.listContainers({ all: true, filters });
    // The sandbox last: the others have its network.
    for (const { Id } of left.sort((one, other) => other.Created - one.Created))
      await engine.api.getContainer(Id).remove({ force: true, v: true });
    this.#running = undefined;
    for (const { name, persistentVolumeClaim } of this.spec.volumes)
      if (!persistentVolumeClaim) await this.#removeVolume(name);
  }

  async #removeVolume(name: string): Promise<void> {
    const volume = engine.api.getVolume(`${this.#setup.name}-${name}`);
    await volume.remove().catch((thrown) => {
      if (thrown.statusCode !== 404) throw thrown;
    });
  }

  #now(): Running {
    if (!this.#running) throw new Error('the pod does not run');
    return this.#running;
  }
}
