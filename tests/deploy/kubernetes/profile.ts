import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Script } from '../../../src/cli/demo/scripted-model/script.ts';
import buildProgram from '../../support/build-program.ts';
import { bash, write } from '../../support/steps.ts';
import type { Container } from './pod-spec.ts';
import { probe } from './probes.ts';
import { startWorld, type World } from './world.ts';

/**
 * `node tests/deploy/kubernetes/profile.ts`: what both containers of the pod take, as a table for docs/kubernetes.md.
 * Needs the images on the tests' engine. Memory is what kubelet calls the working set: all but what the kernel keeps of
 * files and would give back.
 */
const NAMES = ['opencode-bridge', 'opencode-server'] as const;
const EVERY_MS = 250;
/** The agent's own commands take next to nothing: what they need comes on top. */
const STEPS: Script = [
  write('notes.txt', 'a line\n'.repeat(200)),
  bash('git --version; ls -la; cat notes.txt | wc -l'),
  { text: 'word '.repeat(400), chunks: 80, delayMs: 25 },
];
const LOADS = [
  { what: 'no task, 30 s', tasks: 0, atOnce: 0 },
  { what: '1 task at once', tasks: 15, atOnce: 1 },
  { what: '8 tasks at once', tasks: 200, atOnce: 8 },
];

const statsSchema = z.object({
  memory_stats: z.object({
    usage: z.number(),
    stats: z.object({ total_inactive_file: z.number().optional(), inactive_file: z.number().optional() }),
  }),
  cpu_stats: z.object({
    cpu_usage: z.object({ total_usage: z.number() }),
    throttling_data: z.object({ throttled_time: z.number().default(0) }).default({ throttled_time: 0 }),
  }),
  pids_stats: z.object({ current: z.number().default(0) }),
});

/** Megabytes, seconds of processor, seconds of waiting for the limit, and processes with threads of a container so far. */
async function usage({ pod }: World, name: string) {
  const stats = statsSchema.parse(await pod.container(name).stats({ stream: false, 'one-shot': true }));
  const { usage: all, stats: parts } = stats.memory_stats;
  return {
    mb: (all - (parts.total_inactive_file ?? parts.inactive_file ?? 0)) / 1e6,
    cpu: stats.cpu_stats.cpu_usage.total_usage / 1e9,
    throttled: stats.cpu_stats.throttling_data.throttled_time / 1e9,
    pids: stats.pids_stats.current,
  };
}

async function work(world: World, tasks: number, atOnce: number): Promise<void> {
  let left = tasks;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const { status } = await world.ended(await world.run(STEPS));
      if (status !== 'completed') throw new Error(`a task ended as ${status}`);
    }
  };
  if (tasks === 0) await sleep(30_000);
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function measure(world: World, { what, tasks, atOnce }: (typeof LOADS)[number]): Promise<string[]> {
  const before = await Promise.all(NAMES.map((name) => usage(world, name)));
  const peaks = NAMES.map(() => ({ mb: 0, pids: 0 }));
  const slowest = { live: 0, failed: 0 };
  let busy = true;
  const sample = async (): Promise<void> => {
    for (; busy; await sleep(EVERY_MS))
      for (const [index, name] of NAMES.entries()) {
        const { mb, pids } = await usage(world, name);
        const peak = peaks[index];
        if (peak) Object.assign(peak, { mb: Math.max(peak.mb, mb), pids: Math.max(peak.pids, pids) });
      }
  };
  /** As often as kubelet asks. */
  const probing = async ({ pod }: World, container: Container): Promise<void> => {
    const { livenessProbe } = container;
    if (!livenessProbe) return;
    for (let next = performance.now(); busy; next += livenessProbe.periodSeconds * 1000) {
      while (busy && performance.now() < next) await sleep(100);
      const began = performance.now();
      if (!(await probe(pod, container, livenessProbe))) slowest.failed += 1;
      slowest.live = Math.max(slowest.live, performance.now() - began);
    }
  };
  const began = performance.now();
  const { containers, initContainers } = world.pod.spec;
  const watching = [sample(), ...[...containers, ...initContainers].map((each) => probing(world, each))];
  await work(world, tasks, atOnce).finally(() => {
    busy = false;
  });
  const seconds = (performance.now() - began) / 1000;
  await Promise.all(watching);
  const after = await Promise.all(NAMES.map((name) => usage(world, name)));
  return NAMES.map((name, index) => {
    const [first, last, peak] = [before[index], after[index], peaks[index]];
    const cpu = (last?.cpu ?? 0) - (first?.cpu ?? 0);
    const each =
      tasks === 0 ? `${((1000 * cpu) / seconds).toFixed(0)} m` : `${(cpu / tasks).toFixed(2)} s a task`;
    const throttled = (last?.throttled ?? 0) - (first?.throttled ?? 0);
    return `| ${what}, ${tasks} in ${seconds.toFixed(0)} s | ${name} | ${peak?.mb.toFixed(0)} MB | ${each} | ${((1000 * cpu) / seconds).toFixed(0)} m | ${throttled.toFixed(1)} s | ${peak?.pids} | ${slowest.live.toFixed(0)} ms, ${slowest.failed} failed |`;
  });
}

await buildProgram();
const world = await startWorld('standalone', { MAX_CONCURRENT_TASKS: '8' });
try {
  const bridge = world.pod.spec.containers.find(({ name }) => name === 'opencode-bridge');
  while (!(bridge?.readinessProbe && (await probe(world.pod, bridge, bridge.readinessProbe))))
    await sleep(200);
  const rows = [
    '| load | container | memory, most | processor | mean | throttled | processes | slowest probe |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const load of LOADS) rows.push(...(await measure(world, load)));
  process.stdout.write(`${rows.join('\n')}\n`);
} finally {
  await world.remove();
}
