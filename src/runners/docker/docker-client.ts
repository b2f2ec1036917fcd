import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { z } from 'zod';
import { BridgeError, messageOf, quote } from '../../errors.ts';
import { connectDocker } from './connection.ts';
import { followContainerLogs, type OnOutput } from './container-logs.ts';
import { dockerMessage, ignoreStatus, requestDocker, statusOf } from './docker-request.ts';

const PAUSE_TIMEOUT_MS = 15_000;
const PAUSE_RETRY_MS = 100;
/** Characters of an image name with its digest that an error quotes. */
const MAX_IMAGE_NAME = 500;

const networkSchema = z.object({
  IPAM: z
    .object({ Config: z.array(z.object({ Subnet: z.string(), Gateway: z.string().optional() })).nullish() })
    .nullish(),
});

export interface ContainerState {
  status: 'created' | 'running' | 'paused' | 'ended';
  exitCode: number;
  oomKilled: boolean;
}

export interface DockerInfo {
  version: string;
  apiVersion: string;
  /** Resource limits that the kernel of this host cannot enforce. */
  unsupported: string[];
}

/** The Docker Engine API. Every method throws ENGINE_UNAVAILABLE where Docker does not answer. */
export class DockerClient {
  readonly host: string;
  readonly #docker: Docker;

  /** `unix:///path` or `tcp://host:port`. */
  constructor(host: string) {
    this.host = host;
    this.#docker = connectDocker(host);
  }

  info(): Promise<DockerInfo> {
    return this.#request(async () => {
      const [version, info] = await Promise.all([this.#docker.version(), this.#docker.info()]);
      const limits = { memory: info.MemoryLimit, processors: info.CpuCfsQuota, pids: info.PidsLimit };
      const unsupported = Object.entries(limits).flatMap(([name, works]) => (works === false ? [name] : []));
      return { version: version.Version, apiVersion: version.ApiVersion, unsupported };
    });
  }

  hasImage(image: string): Promise<boolean> {
    return this.imageId(image).then(Boolean);
  }

  /** The id (`sha256:…`) of the image with this name, digest or id; undefined where Docker does not have it. */
  imageId(image: string): Promise<string | undefined> {
    return this.#request(async () => (await ignoreStatus(404, this.#docker.getImage(image).inspect()))?.Id);
  }

  /** Pulls an image, without a time limit. Throws ENGINE_NOT_FOUND where that fails. */
  async pull(image: string): Promise<void> {
    try {
      const progress = await this.#docker.pull(image);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#docker.modem.followProgress(progress, (error) => (error ? reject(error) : resolve()));
      await promise;
    } catch (cause) {
      const text = `Docker has no image ${quote(image, MAX_IMAGE_NAME)} and cannot pull it: ${dockerMessage(cause)}`;
      throw new BridgeError('ENGINE_NOT_FOUND', text, {
        next: `Pull it yourself, which uses your registry logins: docker pull ${image}`,
        cause,
      });
    }
  }

  /** Throws ENGINE_NOT_FOUND where Docker does not have the image. */
  async create(name: string, spec: Docker.ContainerCreateOptions): Promise<void> {
    const created = await this.#request(() =>
      ignoreStatus(404, this.#docker.createContainer({ ...spec, name })),
    );
    if (!created) throw imageMissing(spec.Image ?? '');
  }

  /** Does nothing where the container has been started, is being removed or is gone. */
  start(name: string): Promise<void> {
    return this.#request(async () => {
      try {
        await ignoreStatus(304, this.#container(name).start());
      } catch (thrown) {
        // Docker's error for a container that is being removed depends on the moment of the removal.
        if ((await this.state(name)) !== undefined) throw thrown;
      }
    });
  }

  /** Undefined where there is no such container, or it is being removed. */
  state(name: string): Promise<ContainerState | undefined> {
    return this.#request(async () => {
      const { State: state } = (await ignoreStatus(404, this.#container(name).inspect())) ?? {};
      if (!state || state.Status === 'removing' || state.Status === 'dead') return undefined;
      const { Status, ExitCode, OOMKilled } = state;
      const live = Status === 'created' || Status === 'running' || Status === 'paused' ? Status : undefined;
      const status = live ?? (Status === 'restarting' ? 'running' : 'ended');
      return { status, exitCode: ExitCode, oomKilled: OOMKilled };
    });
  }

  /**
   * Reads the output of a container from its beginning. Resolves when the container has ended or is being removed, or
   * when the signal aborts.
   */
  followLogs(name: string, onOutput: OnOutput, signal: AbortSignal): Promise<void> {
    return followContainerLogs(this.host, this.#container(name), onOutput, signal);
  }

  /**
   * Freezes every process of the container; does nothing where it does not run. The kernel refuses this ("unable to
   * freeze", from runc) while the processes have used up their CPU quota or fork too fast, so it retries for 15 s.
   */
  pause(name: string): Promise<void> {
    const deadline = Date.now() + PAUSE_TIMEOUT_MS;
    return this.#request(async () => {
      for (;;) {
        try {
          return await ignoreStatus([404, 409], this.#container(name).pause());
        } catch (thrown) {
          if (!messageOf(thrown).includes('unable to freeze') || Date.now() > deadline) throw thrown;
        }
        await sleep(PAUSE_RETRY_MS);
      }
    });
  }

  /** Does nothing where the container is not paused; older engines report that with status 500. */
  unpause(name: string): Promise<void> {
    return this.#request(() => ignoreStatus([404, 409, 500], this.#container(name).unpause()));
  }

  /** Sends SIGTERM, and SIGKILL after the grace period; resolves when the container has ended. */
  async stop(name: string, graceSeconds: number): Promise<void> {
    // A paused container cannot handle SIGTERM.
    await this.unpause(name);
    await this.#request(() => ignoreStatus([304, 404], this.#container(name).stop({ t: graceSeconds })));
  }

  /** Kills the container where it runs, and removes it. Resolves when its name is free, whoever removes it. */
  remove(name: string): Promise<void> {
    return this.#request(async () => {
      const found = await ignoreStatus(404, this.#container(name).inspect());
      if (!found) return;
      // By its id from here on: once it is gone, its name may belong to a new container.
      const container = this.#container(found.Id);
      try {
        await ignoreStatus(404, container.remove({ force: true, v: true }));
      } catch (thrown) {
        if (statusOf(thrown) !== 409) throw thrown;
        // Another request is removing it.
        await ignoreStatus(404, container.wait({ condition: 'removed' }));
      }
    });
  }

  /** All containers that have these labels, in any state; `state` in Docker's words, such as `running` or `paused`. */
  list(
    labels: Readonly<Record<string, string>>,
  ): Promise<{ name: string; state: string; labels: Record<string, string> }[]> {
    return this.#request(async () => {
      const label = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
      const found = await this.#docker.listContainers({ all: true, filters: { label } });
      return found.map(({ Id, Names, State, Labels }) => ({
        name: Names[0]?.slice(1) ?? Id,
        state: State,
        labels: Labels,
      }));
    });
  }

  /** The ranges of addresses of a network, `10.1.0.0/16`, and the host's in each; none where there is no such network. */
  subnets(network: string): Promise<{ subnet: string; gateway: string | undefined }[]> {
    return this.#request(async () => {
      const found = await ignoreStatus(404, this.#docker.getNetwork(network).inspect());
      const ranges = networkSchema.parse(found ?? {}).IPAM?.Config ?? [];
      return ranges.map(({ Subnet, Gateway }) => ({ subnet: Subnet, gateway: Gateway }));
    });
  }

  /** Bytes of memory that a running container uses, without reclaimable page cache; 0 where it does not run. */
  memory(name: string): Promise<number> {
    return this.#request(async () => {
      const answer = this.#container(name).stats({ stream: false, 'one-shot': true });
      const { usage = 0, stats } = (await ignoreStatus(404, answer))?.memory_stats ?? {};
      // cgroup v1 reports `total_inactive_file`, v2 `inactive_file`.
      const { total_inactive_file, inactive_file = 0 } = stats ?? {};
      return usage - (total_inactive_file ?? inactive_file);
    });
  }

  #container(name: string): Docker.Container {
    return this.#docker.getContainer(name);
  }

  #request<T>(request: () => Promise<T>): Promise<T> {
    return requestDocker(this.host, request);
  }
}

/** The command that builds the image of task containers. */
export function buildCommand(image: string): string {
  return `docker build -t ${image} -f Dockerfile.opencode --target runner --build-arg BASE_IMAGE=node:26-slim .`;
}

function imageMissing(image: string): BridgeError {
  return new BridgeError('ENGINE_NOT_FOUND', `Docker has no image ${quote(image)} (RUNNER_IMAGE).`, {
    next: `Build it: ${buildCommand(image)}; or pull it.`,
  });
}
