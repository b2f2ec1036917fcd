import { signal } from '@preact/signals';
import type { HealthReport } from '../../api/health-report.ts';
import { api, Problem } from '../api/client.ts';

const EVERY_MS = 5_000;
/** While the bridge does not answer: it is usually back soon. */
const SILENT_MS = 1_500;

/** What a sink has not got yet. */
export interface Lag {
  events: number;
  tasks: number;
  oldest_ms?: number | undefined;
}

export type Dependency = HealthReport['dependencies'][number] & { lag?: Lag | undefined };

interface Queue {
  length: number;
  max: number;
  oldest_ms?: number | undefined;
}

/** GET /health, and how long the answer took. */
export interface Reading {
  report: HealthReport & { queue?: Queue; dependencies: Dependency[] };
  roundTripMs: number;
  /** Epoch milliseconds of this browser. */
  at: number;
}

/** Reads the health of the bridge every 5 s while the page can be seen. */
export class HealthMonitor {
  /** The last answer; kept while the bridge does not answer. */
  readonly reading = signal<Reading | undefined>(undefined);
  readonly problem = signal<Problem | undefined>(undefined);

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!document.hidden) await this.#read(signal);
      await pause(this.problem.value ? SILENT_MS : EVERY_MS, signal);
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const began = performance.now();
    try {
      // A bridge that hangs is one that does not answer.
      const limit = AbortSignal.any([signal, AbortSignal.timeout(EVERY_MS)]);
      const report = await api.get<Reading['report']>('/health', {}, limit);
      this.reading.value = { report, roundTripMs: performance.now() - began, at: Date.now() };
      this.problem.value = undefined;
    } catch (thrown) {
      if (signal.aborted) return;
      const silent = new Problem(0, 'UNREACHABLE', 'The bridge does not answer.');
      this.problem.value = thrown instanceof Problem ? thrown : silent;
    }
  }
}

/** Until the next reading is due, or the page is seen again. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const seen = (): void => {
      if (!document.hidden) done();
    };
    const timer = setTimeout(done, ms);
    document.addEventListener('visibilitychange', seen);
    signal.addEventListener('abort', done);
  });
}
