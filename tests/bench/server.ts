import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { BUILT_IN_MODELS, type RunningOpenCode, startOpenCode } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';
import { type BenchBridge, startBenchBridge } from './bench-bridge.ts';
import { ASKS, cancelled } from './cancel.ts';
import { ms, type Row } from './report.ts';
import { median, residentMb, sideBySide } from './sample.ts';
import { Contest, THREE_STEPS, TRIVIAL } from './tasks.ts';
import { timedOut } from './time-limit.ts';

/** OpenCode's garbage is collected some time after it came. */
const SETTLES_MS = 10_000;
const STARTS = 5;

/** What the bridge adds to OpenCode's own time, and what both need, on one server. */
export async function* serverRows(): AsyncGenerator<Row> {
  await using root = await tempDir('bench-');
  const model = await startScriptedModel();
  const server = await startOpenCode({ env: BUILT_IN_MODELS, modelUrl: model.url, config: ASKS });
  const folder = join(root.path, 'folders');
  await mkdir(folder);
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    ALLOWED_DIRECTORIES: folder,
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: server.url,
    OPENCODE_SERVER_PASSWORD: server.password,
    MAX_CONCURRENT_TASKS: '20',
    MAX_QUEUED_TASKS: '1000',
    MCP_RATE_LIMIT: '0',
    LOG_LEVEL: 'warn',
  };
  const bridge = await startBenchBridge(env, await freePort());
  try {
    const contest = new Contest(bridge, server, folder);
    const warm = await contest.freshFolder();
    yield await inWarmFolder(contest, warm);
    yield await inFreshFolders(contest);
    yield await cancelled(bridge, warm);
    yield await timedOut(bridge, warm);
    yield* crowds(contest, warm);
    yield* memory(contest, warm, { server, bridge });
    yield await toolsList(bridge);
    yield await starts(env, root.path);
  } finally {
    await bridge.stop();
    await server.stop();
    await model.close();
  }
}

async function inWarmFolder(contest: Contest, warm: string): Promise<Row> {
  await contest.straight(TRIVIAL, warm);
  await contest.throughBridge(TRIVIAL, warm);
  const trivial = await sideBySide(
    20,
    () => contest.throughBridge(TRIVIAL, warm),
    () => contest.straight(TRIVIAL, warm),
  );
  return {
    what: 'trivial task, warm directory, n=20',
    measured: ms(trivial.first),
    comparison: `SDK straight: ${ms(trivial.second)}`,
    goal: 'at most 50 ms more',
    ok: trivial.first - trivial.second <= 50,
  };
}

async function inFreshFolders(contest: Contest): Promise<Row> {
  const folders = await contest.freshFolders(20);
  const folder = (round: number): string => folders[round] ?? '';
  const fresh = await sideBySide(
    folders.length,
    () => contest.throughBridge(TRIVIAL),
    (round) => contest.straight(TRIVIAL, folder(round)),
    { afterSecond: (round) => contest.leave(folder(round)) },
  );
  return {
    what: 'trivial task, fresh directory each, n=20',
    measured: ms(fresh.first),
    comparison: `SDK straight: ${ms(fresh.second)}`,
    goal: 'at most 50 ms more',
    ok: fresh.first - fresh.second <= 50,
  };
}

async function* crowds(contest: Contest, warm: string): AsyncGenerator<Row> {
  const folders = await Promise.all(Array.from({ length: 2 }, () => contest.freshFolders(20)));
  const crowd = (round: number): string[] => folders[round % 2] ?? [];
  const burst = await sideBySide(
    folders.length,
    (round) => Promise.all(crowd(round).map(() => contest.throughBridge(THREE_STEPS))),
    (round) => Promise.all(crowd(round).map((folder) => contest.straight(THREE_STEPS, folder))),
    { afterSecond: (round) => Promise.all(crowd(round).map((folder) => contest.leave(folder))) },
  );
  const ratio = burst.first / burst.second;
  yield {
    what: '20 three-step tasks at once, each in a fresh directory, 2 rounds',
    measured: ms(burst.first),
    comparison: `SDK straight: ${ms(burst.second)} (ratio ${ratio.toFixed(2)})`,
    goal: 'ratio at most 1.10',
    ok: ratio <= 1.1,
  };

  const shared = await sideBySide(
    6,
    (round) => Promise.all(crowd(round).map(() => contest.throughBridge(THREE_STEPS, warm))),
    (round) => Promise.all(crowd(round).map(() => contest.straight(THREE_STEPS, warm))),
  );
  yield {
    what: 'the same, all in one warm directory, 6 rounds',
    measured: ms(shared.first),
    comparison: `SDK straight: ${ms(shared.second)} (ratio ${(shared.first / shared.second).toFixed(2)})`,
    goal: 'none',
    ok: true,
  };
}

async function* memory(
  contest: Contest,
  warm: string,
  { server, bridge }: { server: RunningOpenCode; bridge: BenchBridge },
): AsyncGenerator<Row> {
  for (let n = 0; n < 200; n += 5) {
    await Promise.all(Array.from({ length: 5 }, () => contest.throughBridge(TRIVIAL)));
  }
  await sleep(SETTLES_MS);
  const engineMb = await residentMb(server.pid);
  const bridge200 = await residentMb(bridge.pid);
  yield {
    what: 'OpenCode memory 10 s after 200 tasks in 200 fresh directories, 5 at once',
    measured: `${engineMb} MB`,
    comparison: '',
    goal: 'under 1,300 MB',
    ok: engineMb < 1_300,
  };

  for (let n = 0; n < 800; n += 10) {
    await Promise.all(Array.from({ length: 10 }, () => contest.throughBridge(TRIVIAL, warm)));
  }
  const bridge1000 = await residentMb(bridge.pid);
  yield {
    what: 'bridge memory after 200 and after 1,000 finished tasks',
    measured: `${bridge200} MB, ${bridge1000} MB`,
    comparison: '',
    goal: 'under 150 MB after 200, then at most a tenth more',
    ok: bridge200 < 150 && bridge1000 <= bridge200 * 1.1,
  };
}

async function toolsList({ client }: BenchBridge): Promise<Row> {
  const tools = JSON.stringify(await client.listTools()).length;
  return {
    what: 'tools/list',
    measured: `${tools} bytes`,
    comparison: '',
    goal: 'under 8,000 bytes',
    ok: tools < 8_000,
  };
}

/** New bridges beside the one that idles, each with a data folder of its own. */
async function starts(env: Record<string, string>, root: string): Promise<Row> {
  const times: number[] = [];
  for (let n = 0; n < STARTS; n += 1) {
    const another = await startBenchBridge({ ...env, DATA_DIR: join(root, `data-${n}`) }, await freePort());
    times.push(another.healthMs);
    await another.stop();
  }
  const healthMs = median(times);
  return {
    what: `/health after process start, n=${STARTS}`,
    measured: ms(healthMs),
    comparison: '',
    goal: 'within 1,000 ms',
    ok: healthMs < 1_000,
  };
}
