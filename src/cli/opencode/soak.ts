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

const MOST_AT_ONCE = 100;
const LONGEST_MINUTES = 10_080;
const OPTIONS = z.object({
  baseUrl,
  model: modelName,
  timeout: seconds(120),
  minutes: z.coerce.number().positive().max(LONGEST_MINUTES).default(10),
  concurrency: z.coerce.number().int().min(1).max(MOST_AT_ONCE).default(2),
});
const CONNECT_LIMIT_MS = 10_000;
/** After a session that failed: a server that is down is not asked without end. */
const PAUSE_MS = 1_000;
const NEWS_MS = 30_000;
/** What makes the same reason another text each time. */
const IDS = /\b(task|ses|msg)_\w+/g;
const PERCENTILES = [50, 90, 99, 100];

/** How the sessions came out. */
interface Results {
  /** Milliseconds of each that was as it should be. */
  latencies: number[];
  /** How often by reason. */
  errors: Map<string, number>;
  brokenOff: number;
}

/** Runs sessions for a time and tells how many, how fast, what failed, and memory; Ctrl-C ends it with the report. */
export async function soak(config: Config, args: string[]): Promise<number> {
  const { baseUrl: url, model, timeout, minutes, concurrency } = readOptions(args, OPTIONS);
  const endpoint = endpointOf(config, url);
  await waitForConnected(endpoint, CONNECT_LIMIT_MS);
  const stop = new AbortController();
  stopSignal().then(() => stop.abort());
  const trials = new Trials(config, { endpoint, model, timeout, stop: stop.signal });
  const gauge = await MemoryGauge.start(new URL(endpoint.url), new DockerClient(config.docker.host));
  const results: Results = { latencies: [], errors: new Map(), brokenOff: 0 };
  const began = Date.now();
  print(`soaking ${endpoint.url} for ${minutes} min, ${concurrency} sessions at once; Ctrl-C ends it`);
  const news = setInterval(() => print(`${inSeconds(Date.now() - began)}: ${summary(results)}`), NEWS_MS);
  const until = began + minutes * 60_000;
  await Promise.all(Array.from({ length: concurrency }, () => worker(trials, until, stop.signal, results)));
  clearInterval(news);
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
      if (stop.aborted) results.brokenOff += 1;
      else count(results.errors, messageOf(thrown).replace(IDS, '$1_…'));
      await sleep(PAUSE_MS, undefined, { signal: stop }).catch(() => undefined);
    }
  }
}

function count(errors: Map<string, number>, reason: string): void {
  errors.set(reason, (errors.get(reason) ?? 0) + 1);
}

function summary({ latencies, errors, brokenOff }: Results): string {
  const failed = [...errors.values()].reduce((sum, times) => sum + times, 0);
  const broken = brokenOff === 0 ? '' : `, ${brokenOff} broken off`;
  return `${latencies.length} sessions done, ${failed} failed${broken}`;
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
