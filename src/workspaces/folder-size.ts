import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';

const run = promisify(execFile);
/** To add up a million files takes a minute, and the processor time is the tasks'. */
const EVERY_MS = 10 * 60_000;
const LIMIT_MS = 2 * 60_000;

/** The size of a folder on disk, read now and then by `du` at the lowest priority. */
export class FolderSize {
  readonly #folder: string;
  readonly #path: string | undefined;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** Undefined until it was read, and where that is not possible. */
  bytes: number | undefined;

  /** `path`: where programs are looked for. */
  constructor(folder: string, path: string | undefined, logger: Logger) {
    this.#folder = folder;
    this.#path = path;
    this.#logger = logger;
  }

  start(): void {
    void this.read();
    this.#timer = setInterval(() => void this.read(), EVERY_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stop.abort();
  }

  /** Reads it once. Never rejects. */
  async read(): Promise<void> {
    const { signal } = this.#stop;
    const options = { signal, timeout: LIMIT_MS, env: { PATH: this.#path } };
    // Files that tasks remove meanwhile make `du` fail although it prints the sum.
    const { stdout } = await run('nice', ['-n', '19', 'du', '-sk', this.#folder], options).catch((thrown) => {
      this.#logger.debug({ err: messageOf(thrown) }, 'the size of the workspaces may not be known');
      return { stdout: String(thrown.stdout ?? '') };
    });
    const kilobytes = /^(\d+)\s/.exec(stdout)?.[1];
    if (kilobytes !== undefined) this.bytes = Number(kilobytes) * 1_024;
  }
}
