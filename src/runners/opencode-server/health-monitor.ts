import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';

/** In a measured overload health answers took 5 s, so a server is slow only after this. */
const ANSWER_LIMIT_MS = 10_000;

export interface HealthMonitorOptions {
  check: (timeoutMs: number) => Promise<{ version: string }>;
  listening?: (() => Promise<void>) | undefined;
  /** Whether the event stream is open, which also shows that the server works. */
  streaming: () => boolean;
  intervalMs: number;
  maxRetries: number;
  retryDelayMs: number;
  logger: Logger;
}

/** Checks a server's health at an interval; reports it as down only after all retries failed. */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  readonly #stop = new AbortController();
  #failures = 0;
  #version: string | undefined;
  #lastError: string | undefined;

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop().catch(() => undefined);
  }

  get version(): string | undefined {
    return this.#version;
  }

  get lastError(): string | undefined {
    return this.#lastError;
  }

  get status(): 'ok' | 'degraded' | 'down' {
    if (this.#version === undefined) return 'down';
    if (this.#failures === 0) return 'ok';
    return this.#failures > this.#options.maxRetries && !this.#options.streaming() ? 'down' : 'degraded';
  }

  /** One check, now. */
  async check(): Promise<{ version: string }> {
    try {
      const health = await this.#options.check(ANSWER_LIMIT_MS);
      if (this.#failures > 0) this.#options.logger.info({}, 'the OpenCode server answers again');
      this.#failures = 0;
      this.#lastError = undefined;
      this.#version = health.version;
      return health;
    } catch (thrown) {
      this.#failures += 1;
      this.#lastError = messageOf(thrown);
      if (this.#failures === this.#options.maxRetries + 1) {
        this.#options.logger.warn({ err: this.#lastError }, 'the OpenCode server does not answer');
      }
      throw thrown;
    }
  }

  close(): void {
    this.#stop.abort();
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    await this.#options.listening?.();
    while (!signal.aborted) {
      const healthy = await this.check().then(
        () => true,
        () => false,
      );
      const { intervalMs, retryDelayMs, maxRetries } = this.#options;
      const retrying = !healthy && this.#failures <= maxRetries;
      await sleep(retrying ? retryDelayMs : intervalMs, undefined, { signal });
    }
  }
}
