import { setTimeout as sleep } from 'node:timers/promises';
import { isLoopback } from '../../loopback.ts';
import type { DockerClient } from '../../runners/docker/docker-client.ts';
import { ServerContainer } from '../../runners/docker/server-container.ts';
import { rssOf } from '../../runners/opencode-server/process-memory.ts';
import { listenerOn } from './listener.ts';

const SAMPLE_MS = 1_000;
const MEGABYTE = 1_000_000;

/** A way to read the memory of a server, in bytes. */
interface Source {
  of: string;
  read: () => Promise<number | undefined>;
}

/** The memory of a server at the start, at its peak, and at the end. */
export class MemoryGauge {
  readonly #source: Source | undefined;
  readonly #stop = new AbortController();
  readonly #sampling: Promise<void>;
  readonly #samples: number[] = [];

  private constructor(source: Source | undefined) {
    this.#source = source;
    this.#sampling = this.#sampleOn();
  }

  static async start(url: URL, engine: DockerClient): Promise<MemoryGauge> {
    return new MemoryGauge(await sourceOf(url, engine));
  }

  /** Stops sampling; returns the figures as text. */
  async stop(): Promise<string> {
    this.#stop.abort();
    await this.#sampling;
    await this.#sample();
    const [first] = this.#samples;
    if (first === undefined || !this.#source) return 'unknown';
    const [start, peak, end] = [first, Math.max(...this.#samples), this.#samples.at(-1) ?? first].map(inMb);
    return `start ${start}  peak ${peak}  end ${end}  (${this.#source.of})`;
  }

  async #sampleOn(): Promise<void> {
    const { signal } = this.#stop;
    while (this.#source && !signal.aborted) {
      await this.#sample();
      await sleep(SAMPLE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #sample(): Promise<void> {
    const bytes = await this.#source?.read().catch(() => undefined);
    if (bytes) this.#samples.push(bytes);
  }
}

/** The container of `up`, else the process that listens there; undefined for another machine. */
async function sourceOf({ hostname, port }: URL, engine: DockerClient): Promise<Source | undefined> {
  if (!isLoopback(hostname)) return undefined;
  const container = new ServerContainer(engine, Number(port || 80));
  const read = (): Promise<number | undefined> => container.memory();
  if (await read().catch(() => undefined)) return { of: `container ${container.name}`, read };
  const pid = await listenerOn(Number(port || 80));
  return pid === undefined ? undefined : { of: `process ${pid}`, read: () => rssOf(pid) };
}

function inMb(bytes: number): string {
  return `${Math.round(bytes / MEGABYTE)} MB`;
}
