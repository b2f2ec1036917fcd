import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { makeTaskDirectory } from '../../src/workspaces/resolve-directory.ts';
import { BUILT_IN_MODELS, startOpenCode } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';
import { type BenchBridge, startBenchBridge } from './bench-bridge.ts';
import { busyBridgeEnv, busyTask } from './busy-tasks.ts';
import { ASKS } from './cancel.ts';
import { ms, type Row } from './report.ts';
import { cpuMs, median, timed } from './sample.ts';
import { runTask } from './tasks.ts';

const TASKS = 20;
const ROUNDS = 6;
const SCRAPE_MS = 1_000;
const GOAL = 1.02;

interface Taken {
  taskMs: number;
  bridgeMs: number;
}

/** What it costs tasks that the bridge is observed: the same bridge twice on one OpenCode server. */
export async function* observabilityRows(): AsyncGenerator<Row> {
  await using root = await tempDir('bench-observability-');
  const directory = join(root.path, 'work');
  await makeTaskDirectory(directory);
  const model = await startScriptedModel();
  const server = await startOpenCode({ env: BUILT_IN_MODELS, modelUrl: model.url, config: ASKS });
  const start = async (name: string, variables: Record<string, string>): Promise<BenchBridge> => {
    const env = busyBridgeEnv(root.path, name, directory, server, TASKS);
    return startBenchBridge({ ...env, ...variables }, await freePort());
  };
  const receiver = await startReceiver();
  const off = await start('off', {});
  const on = await start('on', { METRICS_ENABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  try {
    yield* measure(off, on, directory);
  } finally {
    await on.stop();
    await off.stop();
    await receiver.close();
    await server.stop();
    await model.close();
  }
  if (receiver.requests() === 0) throw new Error('no trace was sent');
}

async function* measure(off: BenchBridge, on: BenchBridge, directory: string): AsyncGenerator<Row> {
  const observed = async (): Promise<Taken> => {
    const stop = new AbortController();
    const scraping = scrape(on.url, stop.signal);
    const taken = await busyTasks(on, directory);
    stop.abort();
    await scraping;
    return taken;
  };
  const rounds: { off: Taken; on: Taken }[] = [];
  await busyTasks(off, directory);
  await observed();
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = round % 2 === 0 && (await busyTasks(off, directory));
    const taken = await observed();
    rounds.push({ off: before || (await busyTasks(off, directory)), on: taken });
  }
  const of = (side: 'off' | 'on', what: keyof Taken) => median(rounds.map((round) => round[side][what]));
  const ratio = median(rounds.map(({ off: without, on: observed }) => observed.taskMs / without.taskMs));
  yield {
    what: `a busy task of ${TASKS} at once, with traces, and metrics that are collected once a second, ${ROUNDS} rounds`,
    measured: ms(of('on', 'taskMs')),
    comparison: `without: ${ms(of('off', 'taskMs'))} (ratio ${ratio.toFixed(2)})`,
    goal: `ratio at most ${GOAL}`,
    ok: ratio <= GOAL,
  };
  yield {
    what: `the bridge's own processor time for ${TASKS} such tasks`,
    measured: ms(of('on', 'bridgeMs')),
    comparison: `without: ${ms(of('off', 'bridgeMs'))}`,
    goal: 'none',
    ok: true,
  };
}

async function busyTasks(bridge: BenchBridge, directory: string): Promise<Taken> {
  const cpuBefore = await cpuMs(bridge.pid);
  const numbers = Array.from({ length: TASKS }, (_, n) => n);
  const times = await Promise.all(
    numbers.map((n) => timed(() => runTask(bridge, busyTask(n), directory, `agent-${n}`))),
  );
  const bridgeMs = (await cpuMs(bridge.pid)) - cpuBefore;
  await rm(join(directory, 'out'), { recursive: true });
  return { taskMs: times.reduce((sum, time) => sum + time, 0) / times.length, bridgeMs };
}

/** As Prometheus does, but more often. */
async function scrape(url: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const response = await fetch(`${url}/metrics`);
    if (!response.ok) throw new Error(`GET /metrics: ${response.status}`);
    await response.text();
    await sleep(SCRAPE_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** A receiver of traces that takes everything and reads nothing, so that it costs the tasks little. */
async function startReceiver() {
  let requests = 0;
  const server = createServer((req, res) => {
    requests += 1;
    req.resume().once('end', () => res.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${port}`, requests: () => requests, close };
}
