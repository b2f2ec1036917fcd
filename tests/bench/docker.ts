import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { testLimits } from '../support/docker.ts';
import { tempDir } from '../support/temp.ts';
import { type BenchBridge, startBenchBridge } from './bench-bridge.ts';
import { ByHand } from './by-hand.ts';
import { benchEnv, cleared, dockerMode, engineForBench } from './engine.ts';
import { ms, type Row } from './report.ts';
import { sideBySide } from './sample.ts';
import { runTask, TRIVIAL } from './tasks.ts';

const TURNS = 20;
const AT_ONCE = 8;
const ROUNDS = 3;

const ONE = {
  what: `trivial task in a container, fresh directory each, n=${TURNS}`,
  goal: 'at most 150 ms more',
};
const EIGHT = {
  what: `${AT_ONCE} trivial tasks at once, each in a container, ${ROUNDS} rounds`,
  goal: 'ratio at most 1.10',
};

/** What the bridge adds to `docker run`. */
export async function* dockerRows(): AsyncGenerator<Row> {
  await using engine = await engineForBench();
  if (engine.absent !== undefined) {
    for (const row of [ONE, EIGHT])
      yield { ...row, measured: 'not measured', comparison: engine.absent, ok: undefined };
    return;
  }
  await using root = await tempDir('bench-docker-');
  await chmod(root.path, 0o755);
  const model = await startScriptedModel();
  const env = {
    ...dockerMode(model.url),
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    MAX_CONCURRENT_TASKS: String(AT_ONCE),
    MCP_RATE_LIMIT: '0',
    LOG_LEVEL: 'warn',
  };
  const bridge = await startBenchBridge(env, await freePort());
  try {
    const hand = new ByHand(join(root.path, 'by-hand'), testLimits(model.url, { env: benchEnv(model.url) }));
    const before = (): Promise<void> => cleared(env.DATA_DIR);
    yield await one(bridge, hand, before);
    yield await eight(bridge, hand, before);
  } finally {
    await bridge.stop();
    await model.close();
  }
}

async function one(bridge: BenchBridge, hand: ByHand, before: () => Promise<void>): Promise<Row> {
  const [first = [], ...rest] = await hand.prepareMany(TURNS + 1, TRIVIAL);
  await hand.run(first);
  await runTask(bridge, TRIVIAL);
  const times = await sideBySide(
    TURNS,
    () => runTask(bridge, TRIVIAL),
    (round) => hand.run(rest[round] ?? []),
    { before },
  );
  const more = times.first - times.second;
  return {
    ...ONE,
    measured: ms(times.first),
    comparison: `\`docker run --rm\`: ${ms(times.second)}`,
    ok: more <= 150,
  };
}

async function eight(bridge: BenchBridge, hand: ByHand, before: () => Promise<void>): Promise<Row> {
  const prepared = await Promise.all(
    Array.from({ length: ROUNDS }, () => hand.prepareMany(AT_ONCE, TRIVIAL)),
  );
  const times = await sideBySide(
    ROUNDS,
    () => Promise.all(Array.from({ length: AT_ONCE }, () => runTask(bridge, TRIVIAL))),
    (round) => Promise.all((prepared[round] ?? []).map((args) => hand.run(args))),
    { before },
  );
  const ratio = times.first / times.second;
  return {
    ...EIGHT,
    measured: ms(times.first),
    comparison: `\`docker run --rm\`: ${ms(times.second)} (ratio ${ratio.toFixed(2)})`,
    ok: ratio <= 1.1,
  };
}
