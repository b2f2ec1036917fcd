import { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { BridgeError, messageOf, quote } from '../../errors.ts';
import { connectDocker } from './connection.ts';

/** How long the engine may take for an answer; a wait for an end is none. */
const ANSWER_LIMIT_MS = 30_000;
const FREEZE_LIMIT_MS = 15_000;
const FREEZE_AGAIN_MS = 100;
/** With its digest. */
const LONGEST_NAME = 500;

export interface ContainerState {
  status: 'created' | 'running' | 'paused' | 'ended';
  exitCode: number;
  oomKilled: boolean;
}

/** Takes what a container writes, piece by piece. */
export type OnOutput = (stream: 'stdout' | 'stderr', chunk: Buffer) => void;

export interface DockerInfo {
  version: string;
  apiVersion: string;
  /** Bounds of containers that the kernel of this host cannot keep. */
  unsupported: string[];
}

/** The Docker Engine over its API. Throws ENGINE_UNAVAILABLE where it does not answer. */
export class DockerClient {
  readonly host: string;
  readonly #docker: Docker;

  /** `unix:///path` or `tcp://host:port`. */
  constructor(host: string) {
    this.host = host;
    this.#docker = connectDocker(host);
  }

  info(): Promise<DockerInfo> {
    return this.#answer(async () => {
      const [version, info] = await Promise.all([this.#docker.version(), this.#docker.info()]);
      const bounds = { memory: info.MemoryLimit, processors: info.CpuCfsQuota, pids: info.PidsLimit };
      const unsupported = Object.entries(bounds).flatMap(([name, kept]) => (kept === false ? [name] : []));
      return { version: version.Version, apiVersion: version.ApiVersion, unsupported };
    });
  }

  hasImage(image: string): Promise<boolean> {
    return this.imageId(image).then(Boolean);
  }

  /** The id (`sha256:…`) behind a name, a digest or an id; undefined where the image is not there. */
  imageId(image: string): Promise<string | undefined> {
    return this.#answer(async () => (await unlessStatus(404, this.#docker.getImage(image).inspect()))?.Id);
  }

  /** Fetches an image, however long it takes. Throws ENGINE_NOT_FOUND where that fails. */
  async pull(image: string): Promise<void> {
    try {
      const progress = await this.#docker.pull(image);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#docker.modem.followProgress(progress, (error) => (error ? reject(error) : resolve()));
      await promise;
    } catch (cause) {
      const text = `Docker has no image ${quote(image, LONGEST_NAME)} and cannot pull it: ${reasonOf(cause)}`;
      throw new BridgeError('ENGINE_NOT_FOUND', text, {
        next: `Pull it yourself, which also knows your logins: docker pull ${image}`,
        cause,
      });
    }
  }

  /** Throws ENGINE_NOT_FOUND where the image is not there. */
  async create(name: string, spec: Docker.ContainerCreateOptions): Promise<void> {
    const created = await this.#answer(() =>
      unlessStatus(404, this.#docker.createContainer({ ...spec, name })),
    );
    if (!created) throw imageMissing(spec.Image ?? '');
  }

  start(name: string): Promise<void> {
    return this.#answer(() => unlessStatus(304, this.#container(name).start()));
  }

  /** Undefined for one that is not there. */
  state(name: string): Promise<ContainerState | undefined> {
    return this.#answer(async () => {
      const { State: state } = (await unlessStatus(404, this.#container(name).inspect())) ?? {};
      if (!state) return undefined;
      const { Status, ExitCode, OOMKilled } = state;
      const goes = Status === 'created' || Status === 'running' || Status === 'paused' ? Status : undefined;
      const status = goes ?? (Status === 'restarting' ? 'running' : 'ended');
      return { status, exitCode: ExitCode, oomKilled: OOMKilled };
    });
  }

  /** Reads what a container writes, from its beginning; resolves when it has ended, is being removed, or the signal aborts. */
  async followLogs(name: string, hear: OnOutput, signal: AbortSignal): Promise<void> {
    const output = await this.#answer(() =>
      unlessStatus([404, 409], this.#container(name).logs({ follow: true, stdout: true, stderr: true })),
    );
    if (!(output instanceof Readable)) return;
    const end = (): unknown => output.destroy();
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    this.#docker.modem.demuxStream(output, sink('stdout', hear), sink('stderr', hear));
    const closed = Promise.withResolvers<void>();
    for (const event of ['end', 'close', 'error']) output.once(event, () => closed.resolve());
    await closed.promise;
    signal.removeEventListener('abort', end);
  }

  /**
   * Freezes every process in it; does nothing to one that does not run. The kernel refuses while processes have used
   * up their share of the processor or fork too fast (runc's "unable to freeze"), so it is asked again, for 15 s.
   */
  pause(name: string): Promise<void> {
    const deadline = Date.now() + FREEZE_LIMIT_MS;
    return this.#answer(async () => {
      for (;;) {
        try {
          return await unlessStatus([404, 409], this.#container(name).pause());
        } catch (thrown) {
          if (!messageOf(thrown).includes('unable to freeze') || Date.now() > deadline) throw thrown;
        }
        await sleep(FREEZE_AGAIN_MS);
      }
    });
  }

  /** Does nothing to one that is not frozen; older engines say so with 500. */
  unpause(name: string): Promise<void> {
    return this.#answer(() => unlessStatus([404, 409, 500], this.#container(name).unpause()));
  }

  /** SIGTERM, and SIGKILL after the grace; resolves when it has ended. */
  async stop(name: string, graceSeconds: number): Promise<void> {
    await this.unpause(name);
    await this.#answer(() => unlessStatus([304, 404], this.#container(name).stop({ t: graceSeconds })));
  }

  /** Ends it, if it runs, and removes it. */
  remove(name: string): Promise<void> {
    return this.#answer(() =>
      unlessStatus([404, 409], this.#container(name).remove({ force: true, v: true })),
    );
  }

  /** Every container that has these labels, ended ones too. */
  list(
    labels: Readonly<Record<string, string>>,
  ): Promise<{ name: string; labels: Record<string, string> }[]> {
    return this.#answer(async () => {
      const label = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
      const found = await this.#docker.listContainers({ all: true, filters: { label } });
      return found.map(({ Id, Names, Labels }) => ({ name: Names[0]?.slice(1) ?? Id, labels: Labels }));
    });
  }

  /** Bytes of memory of a container that runs, without what the kernel would give back; 0 for others. */
  memory(name: string): Promise<number> {
    return this.#answer(async () => {
      const asked = this.#container(name).stats({ stream: false, 'one-shot': true });
      const { usage = 0, stats } = (await unlessStatus(404, asked))?.memory_stats ?? {};
      // Cgroups of version 1 and 2 call it by different names.
      const { total_inactive_file, inactive_file = 0 } = stats ?? {};
      return usage - (total_inactive_file ?? inactive_file);
    });
  }

  #container(name: string): Docker.Container {
    return this.#docker.getContainer(name);
  }

  async #answer<T>(ask: () => Promise<T>): Promise<T> {
    const timer = new AbortController();
    const late = sleep(ANSWER_LIMIT_MS, undefined, { ref: false, signal: timer.signal }).then(() => {
      throw new Error(`no answer within ${ANSWER_LIMIT_MS / 1000} s`);
    });
    try {
      return await Promise.race([ask(), late]);
    } catch (thrown) {
      throw this.#failure(thrown);
    } finally {
      late.catch(() => undefined);
      timer.abort();
    }
  }

  #failure(thrown: unknown): BridgeError {
    if (thrown instanceof BridgeError) return thrown;
    if (statusOf(thrown) !== undefined) {
      return new BridgeError('ENGINE_ERROR', `Docker refused: ${reasonOf(thrown)}`, { cause: thrown });
    }
    return new BridgeError(
      'ENGINE_UNAVAILABLE',
      `Docker at ${this.host} does not answer: ${messageOf(thrown)}`,
      {
        next: 'Start Docker, set DOCKER_HOST to where it listens, or OPENCODE_SERVER_ENABLED=true to run tasks without it.',
        cause: thrown,
      },
    );
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

function sink(stream: 'stdout' | 'stderr', hear: OnOutput): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      hear(stream, chunk);
      done();
    },
  });
}

/** The answer; undefined where the engine answers with one of these states instead. */
async function unlessStatus<T>(status: number | number[], answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (thrown) {
    const answered = statusOf(thrown);
    if (answered !== undefined && [status].flat().includes(answered)) return undefined;
    throw thrown;
  }
}

function statusOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('statusCode' in thrown)) return undefined;
  return typeof thrown.statusCode === 'number' ? thrown.statusCode : undefined;
}

/** The engine's own words, without the wrapping of its client. */
function reasonOf(thrown: unknown): string {
  return messageOf(thrown)
    .replace(/^\(HTTP code \d+\) [^-]*- /, '')
    .trim();
}
