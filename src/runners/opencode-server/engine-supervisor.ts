import type { Logger } from '../../logger.ts';
import type { EngineProcess } from './endpoint.ts';

const MEGABYTE = 1e6;

export interface EngineSupervisorOptions {
  process: EngineProcess;
  /** What the server may occupy while nobody uses it; 0: any amount. */
  maxRssMb: number;
  /** Failed health checks in a row after which a server whose stream is silent too is taken to hang. */
  hangChecks: number;
  /** Whether the event stream delivers. */
  streaming: () => boolean;
  /** Whether no task uses the server. */
  idle: () => boolean;
  logger: Logger;
}

/** Has a server of our own started anew when it hangs, or when it has grown large and no task uses it. */
export class EngineSupervisor {
  readonly #options: EngineSupervisorOptions;
  #failures = 0;

  constructor(options: EngineSupervisorOptions) {
    this.#options = options;
  }

  /** Makes a health check, and draws the consequences. */
  async check<T>(health: () => Promise<T>): Promise<T> {
    const { process } = this.#options;
    const pid = process.pid();
    try {
      const answer = await health();
      this.#failures = 0;
      await this.#recycle();
      return answer;
    } catch (thrown) {
      // A check that began before the server listened says nothing about it.
      this.#failures = pid !== undefined && pid === process.pid() ? this.#failures + 1 : 0;
      this.#endHanging();
      throw thrown;
    }
  }

  #endHanging(): void {
    const { process, hangChecks, streaming, logger } = this.#options;
    if (this.#failures < hangChecks || streaming()) return;
    this.#failures = 0;
    logger.error({ pid: process.pid() }, 'the embedded OpenCode server hangs; it is started anew');
    process.restart('SIGKILL');
  }

  async #recycle(): Promise<void> {
    const { process, maxRssMb, idle, logger } = this.#options;
    if (maxRssMb === 0 || !idle()) return;
    const rssMb = Math.round((await process.rss()) / MEGABYTE);
    if (rssMb <= maxRssMb || !idle()) return;
    logger.info({ rssMb, maxRssMb }, 'the embedded OpenCode server has grown large and is started anew');
    process.restart('SIGTERM');
  }
}
