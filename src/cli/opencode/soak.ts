import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Config } from '../../config/config.ts';
import { messageOf } from '../../errors.ts';
import { DockerClient } from '../../runners/docker/docker-client.ts';
import { waitForConnected } from '../../runners/opencode-server/wait-for-connected.ts';
import { EXIT, stopSignal } from '../command.ts';
import { MemoryGauge } from './memory.ts';
import { baseUrl, endpointOf, modelName, readOptions, seconds } from './options.ts';
import { inSeconds, print } from './output.ts';
import { Trials } from './trials.ts';

const MAX_CONCURRENCY = 100;
const MAX_MINUTES = 10_080;
const OPTIONS = z.object({
  baseUrl,
  model: modelName,
  timeout: seconds(120),
  minutes: z.coerce.number().positive().max(MAX_MINUTES).default(10),
  concurrency: z.coerce.number().int().min(1).max(MAX_CONCURRENCY).default(2),
});
const CONNECT_LIMIT_MS = 10_000;
/** After a failed session, so that a server that is down gets no flood of requests. */
const PAUSE_MS = 1_000;
const STATUS_MS = 30_000;
/** Ids make the same error a different text each time. */
const IDS = /\b(task|ses|msg)_\w+/g;
const PERCENTILES = [50, 90, 99, 100];

/** The results of all sessions. */
interface Results {
  /** Milliseconds of each session that succeeded. */
  latencies: number[];
  /** Number of failures by reason. */
  errors: Map<string, number>;
  aborted: number;
}

/** Runs sessions for a time, then prints a report; Ctrl-C ends it early with the report. */
export async function soak(config: Config, args: string[]): Promise<number> {
  const { baseUrl: url, model, timeout, minutes, concurrency } = readOptions(args, OPTIONS);
  const endpoint = endpointOf(config, url);
  await waitForConnected(endpoint, CONNECT_LIMIT_MS);
  const stop = new AbortController();
  stopSignal().then(() => stop.abort());
  const trials = new Trials(config, { endpoint, model, timeout, stop: stop.signal });
  const gauge = await MemoryGauge.start(new URL(endpoint.url), new DockerClient(config.docker.host));
  const results: Results = { latencies: [], errors: new Map(), aborted: 0 };
  const began = Date.now();
  print(`soaking ${endpoint.url} for ${minutes} min, ${concurrency} sessions at once; Ctrl-C stops it`);
  const statusTimer = setInterval(
    () => print(`${inSeconds(Date.now() - began)}: ${summary(results)}`),
    STATUS_MS,
  );
  const until = began + minutes * 60_000;
  await Promise.all(Array.from({ length: concurrency }, () => worker(trials, until, stop.signal, results)));
  clearInterval(statusTimer);
  trials.close();
  report(results, Date.now() - began, await gauge.stop());
  return results.errors.size === 0 ? EXIT.ok : EXIT.failed;
}

async function worker(trials: Trials, until: number, stop: AbortSignal, results: Results): Promise<void> {
  while (!stop.aborted && Date.now() < until) {
    const began = Date.now();
    try {
      await trials.run((_what, work) => work(), false);
      results.latencies.push(Date.now() - began);
    } catch (thrown) {
      if (stop.aborted) results.aborted += 1;
      else count(results.errors, messageOf(thrown).replace(IDS, '$1_…'));
      await sleep(PAUSE_MS, undefined, { signal: stop }).catch(() => undefined);
    }
  }
}

function count(errors: Map<string, number>, reason: string): void {
  errors.set(reason, (errors.get(reason) ?? 0) + 1);
}

function summary({ latencies, errors, aborted }: Results): string {
  const failed = [...errors.values()].reduce((sum, times) => sum + times, 0);
  const stopped = aborted === 0 ? '' : `, ${aborted} aborted`;
  return `${latencies.length} sessions done, ${failed} failed${stopped}`;
}

function report(results: Results, ms: number, memory: string): void {
  const { latencies, errors } = results;
  print(`${summary(results)} in ${inSeconds(ms)}`);
  for (const [reason, times] of [...errors].sort(([, a], [, b]) => b - a)) print(`  ${times} × ${reason}`);
  print(`latency  ${latencies.length === 0 ? 'unknown' : PERCENTILES.map(shown).join('  ')}`);
  print(`memory   ${memory}`);

  function shown(percent: number): string {
    const sorted = latencies.toSorted((a, b) => a - b);
    const value = sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? 0;
    return `${percent === 100 ? 'max' : `p${percent}`} ${inSeconds(value)}`;
  }
}
