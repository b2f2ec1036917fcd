import { setImmediate } from 'node:timers/promises';
import type { ProgressToken } from '@modelcontextprotocol/sdk/types.js';
import { DEFAULT_TOOL_LIMITS, type SendProgress, type ToolLimits } from './tool.ts';

interface ProgressParams extends Record<string, unknown> {
  progressToken: ProgressToken;
  progress: number;
  total?: number;
  message: string;
}

const STEPS_IN_ONE = 1_000;
const STEP = 1 / STEPS_IN_ONE;

/** Sends progress with a token; the number increases each time, as the protocol requires. Absent without a token. */
export function progressSender(
  progressToken: ProgressToken | undefined,
  send: (params: ProgressParams) => Promise<void>,
): SendProgress | undefined {
  if (progressToken === undefined) return undefined;
  let progress = 0;
  return (message, percent) => {
    // Rounded, because sums of 0.001 are not exact: 0.009000000000000001.
    progress = Math.round(Math.max(progress + STEP, percent ?? 0) / STEP) / STEPS_IN_ONE;
    const total = percent === undefined ? {} : { total: 100 };
    // A client that is gone needs no progress.
    send({ progressToken, progress, ...total, message }).catch(() => undefined);
  };
}

/** Reports the latest line to the client of a call, at a bounded rate and with a keep-alive. */
export class ProgressTicker {
  readonly #progress: SendProgress;
  readonly #every: number;
  readonly #keepAlive: NodeJS.Timeout;
  #line = 'waiting';
  #percent: number | undefined;
  #pending: NodeJS.Timeout | undefined;
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(progress: SendProgress, { progressEveryMs, keepAliveMs }: ToolLimits = DEFAULT_TOOL_LIMITS) {
    this.#progress = progress;
    this.#every = progressEveryMs;
    this.#keepAlive = setInterval(() => this.#send(), keepAliveMs);
  }

  /** Without a percentage, that of the line before stays. */
  report(line: string, percent: number | undefined): void {
    this.#line = line;
    this.#percent = percent ?? this.#percent;
    if (this.#pending) return;
    const wait = this.#sentAt + this.#every - performance.now();
    if (wait <= 0) this.#send();
    else this.#pending = setTimeout(() => this.#send(), wait);
  }

  /** Stops sending; resolves when everything sent has left, which must be before the result. */
  async close(): Promise<void> {
    clearTimeout(this.#pending);
    clearInterval(this.#keepAlive);
    // A client drops the token with the result, and may handle the two in the wrong order if they arrive together.
    if (this.#sentAt > Number.NEGATIVE_INFINITY) await setImmediate();
  }

  #send(): void {
    clearTimeout(this.#pending);
    this.#pending = undefined;
    this.#sentAt = performance.now();
    this.#keepAlive.refresh();
    this.#progress(this.#line, this.#percent);
  }
}
