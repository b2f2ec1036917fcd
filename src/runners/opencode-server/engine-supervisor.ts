import type { Logger } from '../../logger.ts';
import type { EngineProcess } from './endpoint.ts';

const MEGABYTE = 1e6;

export interface EngineSupervisorOptions {
  process: EngineProcess;
  /** Memory that the server may use while no task uses it, in megabytes; 0: no limit. */
  maxRssMb: number;
  /** After so many failed health checks in a row a server hangs, if its stream is silent too. */
  hangChecks: number;
  /** Whether the event stream is open. */
  streaming: () => boolean;
  /** Whether no task uses the server. */
  idle: () => boolean;
  logger: Logger;
}

/** Restarts an embedded server when it hangs; while no task uses it, for too much memory or for new providers too. */
export class EngineSupervisor {
  readonly #options: EngineSupervisorOptions;
  #failures = 0;

  constructor(options: EngineSupervisorOptions) {
    this.#options = options;
  }

  /** Makes a health check, and restarts the server where that is due. */
  async check<T>(health: () => Promise<T>): Promise<T> {
    const { process } = this.#options;
    const pid = process.pid();
    try {
      const answer = await health();
      this.#failures = 0;
      if (!(await this.#restartOutdated())) await this.#restartLarge();
      return answer;
    } catch (thrown) {
      // A check that began before the server listened does not count.
      this.#failures = pid !== undefined && pid === process.pid() ? this.#failures + 1 : 0;
      this.#restartHanging();
      throw thrown;
    }
  }

  #restartHanging(): void {
    const { process, hangChecks, streaming, logger } = this.#options;
    if (this.#failures < hangChecks || streaming()) return;
    this.#failures = 0;
    logger.error({ pid: process.pid() }, 'the embedded OpenCode server hangs; it is started anew');
    process.restart('SIGKILL');
  }

  async #restartOutdated(): Promise<boolean> {
    const { process, idle, logger } = this.#options;
    if (!idle() || !(await process.outdated()) || !idle()) return false;
    logger.info({}, 'the providers have changed; the embedded OpenCode server is started anew');
    process.restart('SIGTERM');
    return true;
  }

  async #restartLarge(): Promise<void> {
    const { process, maxRssMb, idle, logger } = this.#options;
    if (maxRssMb === 0 || !idle()) return;
    const rssMb = Math.round((await process.rss()) / MEGABYTE);
    if (rssMb <= maxRssMb || !idle()) return;
    logger.info({ rssMb, maxRssMb }, 'the embedded OpenCode server has grown large and is started anew');
    process.restart('SIGTERM');
  }
}
