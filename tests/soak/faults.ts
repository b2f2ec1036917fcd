import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningOpenCode } from '../support/opencode.ts';
import type { FaultyProxy } from '../support/proxy.ts';
import type { BridgeProcess } from './bridge-process.ts';
import { Refused } from './caller.ts';
import type { Random } from './random.ts';
import type { Handed, Traffic } from './traffic.ts';

/** What faults happen to. */
export interface World {
  bridge: BridgeProcess;
  engine: RunningOpenCode;
  proxy: FaultyProxy;
  traffic: Traffic;
  random: Random;
}

interface Fault {
  name: string;
  /** How often it is chosen, against the others. */
  weight: number;
  strike(world: World): Promise<void>;
}

/** What can go wrong, or be asked for, while tasks run. */
const FAULTS: readonly Fault[] = [
  {
    name: 'bridge killed',
    weight: 2,
    async strike({ bridge }) {
      await bridge.end('SIGKILL');
      await bridge.start();
    },
  },
  {
    name: 'OpenCode killed',
    weight: 1,
    async strike({ engine, random }) {
      await engine.kill();
      await sleep(random.between(0, 2_000));
      await engine.restart();
    },
  },
  {
    name: 'line cut',
    weight: 3,
    async strike({ proxy }) {
      proxy.cut();
    },
  },
  {
    name: 'line down',
    weight: 2,
    async strike({ proxy, random }) {
      proxy.fault = () => 'refuse';
      proxy.cut();
      await sleep(random.between(100, 3_000));
      proxy.fault = () => undefined;
    },
  },
  {
    name: 'line stalled, then cut',
    weight: 2,
    async strike({ proxy, random }) {
      proxy.stall();
      await sleep(random.between(500, 4_000));
      proxy.cut();
    },
  },
  {
    name: 'cancel',
    weight: 2,
    async strike(world) {
      const task = world.traffic.anyRunning();
      if (task) await control(world, task, 'cancel');
    },
  },
  {
    name: 'pause and resume',
    weight: 2,
    async strike(world) {
      const task = world.traffic.anyRunning();
      if (!task) return;
      await control(world, task, 'pause');
      await sleep(world.random.between(200, 2_000));
      await control(world, task, 'resume');
    },
  },
  {
    name: 'message',
    weight: 2,
    async strike({ traffic, random }) {
      const task = traffic.anyRunning();
      if (!task) return;
      const delivery = random.chance(0.5) ? 'interrupt' : 'queue';
      if (delivery === 'interrupt') task.disturbed = true;
      const message = `Note [note-${random.between(0, 2 ** 31)}].`;
      const args = { task_id: task.id, agent_id: task.agent, message, delivery };
      // Not again where it fails: messages have no key, so it may have arrived.
      await traffic
        .callerOf(task)
        .once('send_task_message', args)
        .catch(() => undefined);
    },
  },
];

/** One of the faults, by weight. */
export function chooseFault(random: Random): Fault {
  const bag = FAULTS.flatMap((fault) => Array.from({ length: fault.weight }, () => fault));
  const fault = random.pick(bag);
  if (!fault) throw new Error('there are no faults');
  return fault;
}

/** A task that has ended or only starts refuses, which is right. */
async function control(
  { traffic }: World,
  task: Handed & { id: string },
  what: 'cancel' | 'pause' | 'resume',
) {
  task.disturbed = true;
  try {
    await traffic
      .callerOf(task)
      .call('send_task_control', { task_id: task.id, agent_id: task.agent, control: what });
  } catch (thrown) {
    if (!(thrown instanceof Refused)) throw thrown;
  }
}
