import { access } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import { z } from 'zod';
import { bash, write } from '../../support/steps.ts';
import type { Container } from './pod-spec.ts';
import { probe } from './probes.ts';
import type { World } from './world.ts';

/** A kubelet asks every ten seconds; without any pause the probes themselves would be the load. */
const PROBE_PAUSE_MS = 250;
export const POLL = { timeout: 120_000, interval: 100 };
export const BOTH = ['opencode-bridge', 'opencode-server'] as const;

export function container({ pod }: World, name: string): Container {
  const found = [...pod.spec.containers, ...pod.spec.initContainers].find((each) => each.name === name);
  if (!found) throw new Error(`no container ${name}`);
  return found;
}

/** Whether a probe of a container succeeds now; true where it has none of this kind. */
export async function passes(
  world: World,
  name: string,
  kind: 'startupProbe' | 'livenessProbe' | 'readinessProbe',
) {
  const found = container(world, name);
  const asked = found[kind];
  return asked ? probe(world.pod, found, asked) : true;
}

/** How often a liveness probe failed in a row at most, for as long as `goesOn`. */
export async function failuresInARow(world: World, name: string, goesOn: () => boolean): Promise<number> {
  let [most, now] = [0, 0];
  while (goesOn()) {
    now = (await passes(world, name, 'livenessProbe')) ? 0 : now + 1;
    most = Math.max(most, now);
    await sleep(PROBE_PAUSE_MS);
  }
  return most;
}

export const isReady = (world: World): Promise<void> =>
  vi.waitFor(async () => expect(await passes(world, 'opencode-bridge', 'readinessProbe')).toBe(true), POLL);

/** When each container started last. */
export const startsOf = ({ pod }: World): Promise<string[]> =>
  Promise.all(BOTH.map(async (name) => (await pod.container(name).inspect()).State.StartedAt));

export async function sh({ pod }: World, name: string, script: string): Promise<string> {
  const said = await pod.exec(name, ['sh', '-c', script]);
  return (said?.output ?? '').replaceAll('\r', '');
}

const WAITS = 'while ! test -e go; do sleep 0.1; done';

/** A task whose command has begun, and goes on until a file `go` is in its folder, which is returned too. */
export async function running(world: World): Promise<{ task: string; folder: string }> {
  const steps = [
    write('of.txt', 'the pod\n'),
    // OpenCode's own limit is less than a busy machine may need until all are running.
    bash(`echo began > began; ${WAITS}; echo went > went`, { timeout: 300_000 }),
    { text: 'Done in the pod.' },
  ];
  const task = await world.run(steps);
  const { body } = await world.bridge().get(`/tasks/${task}`);
  const folder = join(await world.pod.folder('workspace'), basename(body.directory));
  await vi.waitFor(() => access(join(folder, 'began')), { ...POLL, timeout: 200_000 });
  return { task, folder };
}

/** The process id, on this machine, of the program in a container with such a command line. */
export async function processOf({ pod }: World, name: string, command: RegExp): Promise<number> {
  const { Titles, Processes } = await pod.container(name).top();
  const [pid, line] = [Titles.indexOf('PID'), Titles.indexOf('CMD')];
  const found = z
    .array(z.array(z.string()))
    .parse(Processes)
    .find((fields) => command.test(fields[line] ?? ''));
  return z.coerce.number().int().positive().parse(found?.[pid]);
}

export async function kindsOf(world: World, task: string): Promise<string[]> {
  const { body } = await world.bridge().get(`/tasks/${task}/events?limit=1000`);
  return body.events.map(({ kind, code }: { kind: string; code?: string }) =>
    code ? `${kind} ${code}` : kind,
  );
}

/** What the commands of a task have written, each with how it ended. */
export async function toolOutputs(world: World, task: string): Promise<string> {
  const { body } = await world.bridge().get(`/tasks/${task}/events?limit=1000`);
  const tools = body.events.filter(({ kind, phase }: { kind: string; phase?: string }) => {
    return kind === 'tool' && phase === 'finished';
  });
  return JSON.stringify(tools, undefined, 1);
}

const memorySchema = z.object({
  limit: z.coerce.number().positive(),
  kills: z.coerce.number().nonnegative(),
});

/** The memory limit of a container, and how many of its processes the kernel has killed for it; in both versions of cgroups. */
export async function memoryOf(world: World, name: string): Promise<z.infer<typeof memorySchema>> {
  const said = await sh(
    world,
    name,
    'cd /sys/fs/cgroup; cat memory.max memory.events || cd memory && cat memory.limit_in_bytes memory.oom_control',
  );
  const [, limit] = /^(\d+)$/m.exec(said) ?? [];
  const [, kills] = /^oom_kill (\d+)$/m.exec(said) ?? [];
  return memorySchema.parse({ limit, kills });
}

/** Changes the memory limit of a container that runs. */
export async function limitMemory({ pod }: World, name: string, bytes: number): Promise<void> {
  await pod.container(name).update({ Memory: bytes, MemorySwap: bytes });
}

/** The memory that a container takes now. */
export async function memoryUsed({ pod }: World, name: string): Promise<number> {
  const stats = await pod.container(name).stats({ stream: false, 'one-shot': true });
  return stats.memory_stats.usage;
}
