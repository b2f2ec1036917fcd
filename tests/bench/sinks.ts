import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { makeTaskDirectory } from '../../src/workspaces/resolve-directory.ts';
import { BUILT_IN_MODELS, startOpenCode } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';
import { type BenchBridge, startBenchBridge } from './bench-bridge.ts';
import { busyBridgeEnv, busyTask } from './busy-tasks.ts';
import { ASKS } from './cancel.ts';
import { RemoteSystems } from './remote-systems.ts';
import { ms, type Row } from './report.ts';
import { cpuMs, median, timed } from './sample.ts';
import { runTask } from './tasks.ts';

const TASKS = 20;
const ROUNDS = 6;
const GOAL = 1.05;

/** What a round of tasks took: the time of one of them on average, and the bridge's processor time for all. */
interface Taken {
  taskMs: number;
  bridgeMs: number;
}

/** The same bridge twice on one OpenCode server, one of which tells Letta and Matrix of its tasks. */
interface Sides {
  off: BenchBridge;
  on: BenchBridge;
  far: RemoteSystems;
  directory: string;
}

/** What notifications of Letta and Matrix cost tasks. */
export async function* sinkRows(): AsyncGenerator<Row> {
  await using root = await tempDir('bench-sinks-');
  const directory = join(root.path, 'work');
  await makeTaskDirectory(directory);
  await using far = await RemoteSystems.start(TASKS);
  const model = await startScriptedModel();
  const server = await startOpenCode({ env: BUILT_IN_MODELS, modelUrl: model.url, config: ASKS });
  const start = async (name: string, variables: Record<string, string>): Promise<BenchBridge> => {
    const env = busyBridgeEnv(root.path, name, directory, server, TASKS);
    return startBenchBridge({ ...env, ...variables }, await freePort());
  };
  const off = await start('off', {});
  const on = await start('on', far.variables);
  try {
    yield* measure({ off, on, far, directory });
  } finally {
    await on.stop();
    await off.stop();
    await server.stop();
    await model.close();
  }
}

async function* measure(sides: Sides): AsyncGenerator<Row> {
  const rounds: { off: Taken; on: Taken }[] = [];
  for (const bridge of [sides.off, sides.on]) await busyTasks(sides, bridge);
  for (let round = 0; round < ROUNDS; round += 1) {
    const offFirst = round % 2 === 0;
    const before = offFirst && (await busyTasks(sides, sides.off));
    const on = await busyTasks(sides, sides.on);
    rounds.push({ off: before || (await busyTasks(sides, sides.off)), on });
  }
  await sides.far.requireAllTold((ROUNDS + 1) * TASKS);
  const of = (side: 'off' | 'on', what: keyof Taken) => median(rounds.map((round) => round[side][what]));
  const ratio = median(rounds.map(({ off, on }) => on.taskMs / off.taskMs));
  yield {
    what: `a busy task of ${TASKS} at once, all sinks on: memory, Letta, Matrix (Letta's fake and ${sides.far.homeserver} on the same cores at the lowest priority), ${ROUNDS} rounds`,
    measured: ms(of('on', 'taskMs')),
    comparison: `memory alone: ${ms(of('off', 'taskMs'))} (ratio ${ratio.toFixed(2)})`,
    goal: `ratio at most ${GOAL}`,
    ok: ratio <= GOAL,
  };
  yield {
    what: `the bridge's own processor time for ${TASKS} such tasks, until all notifications are delivered`,
    measured: ms(of('on', 'bridgeMs')),
    comparison: `memory alone: ${ms(of('off', 'bridgeMs'))}`,
    goal: 'none',
    ok: true,
  };
}

/** Resolves when all notifications are delivered too, so that none falls into the next round. */
async function busyTasks({ far, directory }: Sides, bridge: BenchBridge): Promise<Taken> {
  const cpuBefore = await cpuMs(bridge.pid);
  const times = await Promise.all(
    far.agents.map((agent, n) => timed(() => runTask(bridge, busyTask(n), directory, agent))),
  );
  await far.caughtUp(bridge.url);
  const bridgeMs = (await cpuMs(bridge.pid)) - cpuBefore;
  await rm(join(directory, 'out'), { recursive: true });
  return { taskMs: times.reduce((sum, time) => sum + time, 0) / times.length, bridgeMs };
}
