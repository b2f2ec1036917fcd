import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/execution/opencode/free-port.ts';
import { startScriptedModel } from '../../src/scripted-model/server.ts';
import { startOpenCode } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';
import { startBridge } from './bench-bridge.ts';
import { eventsPerSecond } from './event-log.ts';
import { statusUnderLoad } from './load.ts';
import { type Row, report } from './report.ts';
import { residentMb, sideBySide } from './sample.ts';
import { Contest, THREE_STEPS, TRIVIAL } from './tasks.ts';

/** OpenCode's garbage is collected some time after it came. */
const SETTLES_MS = 10_000;
const ms = (value: number): string => `${Math.round(value)} ms`;
const say = (what: string): void => void process.stderr.write(`${what}\n`);

await using root = await tempDir('bench-');
const model = await startScriptedModel();
const server = await startOpenCode({ modelUrl: model.url });
const folder = join(root.path, 'folders');
await mkdir(folder);
const bridge = await startBridge(
  {
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    WORKSPACE_ROOTS: folder,
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: server.url,
    OPENCODE_SERVER_PASSWORD: server.password,
    MAX_CONCURRENT_TASKS: '20',
    MAX_QUEUED_TASKS: '1000',
    MCP_RATE_LIMIT: '0',
    LOG_LEVEL: 'warn',
  },
  await freePort(),
);
const rows: Row[] = [];
const add = (row: Row): void => {
  rows.push(row);
  say(`  ${row.measured} ${row.comparison}`);
};
try {
  const contest = new Contest(bridge, server, folder);

  say('one trivial task at a time, in a warm directory');
  const warm = await contest.freshFolder();
  await contest.straight(TRIVIAL, warm);
  await contest.throughBridge(TRIVIAL, warm);
  const trivial = await sideBySide(
    20,
    () => contest.throughBridge(TRIVIAL, warm),
    () => contest.straight(TRIVIAL, warm),
  );
  const more = trivial.first - trivial.second;
  add({
    what: 'trivial task, warm directory, n=20',
    measured: ms(trivial.first),
    comparison: `SDK straight: ${ms(trivial.second)}`,
    goal: 'at most 50 ms more',
    ok: more <= 50,
  });

  say('one trivial task at a time, each in a fresh directory');
  const folders = await contest.freshFolders(20);
  const fresh = await sideBySide(
    folders.length,
    () => contest.throughBridge(TRIVIAL),
    (round) => contest.straight(TRIVIAL, folders[round] ?? warm),
    (round) => contest.leave(folders[round] ?? warm),
  );
  add({
    what: 'trivial task, fresh directory each, n=20',
    measured: ms(fresh.first),
    comparison: `SDK straight: ${ms(fresh.second)}`,
    goal: 'at most 50 ms more',
    ok: fresh.first - fresh.second <= 50,
  });

  say('twenty three-step tasks at once, each in a fresh directory');
  const crowds = await Promise.all(Array.from({ length: 2 }, () => contest.freshFolders(20)));
  const crowd = (round: number): string[] => crowds[round] ?? [];
  const burst = await sideBySide(
    crowds.length,
    (round) => Promise.all(crowd(round).map(() => contest.throughBridge(THREE_STEPS))),
    (round) => Promise.all(crowd(round).map((folder) => contest.straight(THREE_STEPS, folder))),
    (round) => Promise.all(crowd(round).map((folder) => contest.leave(folder))),
  );
  const ratio = burst.first / burst.second;
  add({
    what: '20 three-step tasks at once, each in a fresh directory, 2 rounds',
    measured: ms(burst.first),
    comparison: `SDK straight: ${ms(burst.second)} (ratio ${ratio.toFixed(2)})`,
    goal: 'ratio at most 1.10',
    ok: ratio <= 1.1,
  });

  say('twenty three-step tasks at once, all in one warm directory');
  const shared = await sideBySide(
    6,
    (round) => Promise.all(crowd(round % 2).map(() => contest.throughBridge(THREE_STEPS, warm))),
    (round) => Promise.all(crowd(round % 2).map(() => contest.straight(THREE_STEPS, warm))),
  );
  add({
    what: 'the same, all in one warm directory, 6 rounds',
    measured: ms(shared.first),
    comparison: `SDK straight: ${ms(shared.second)} (ratio ${(shared.first / shared.second).toFixed(2)})`,
    goal: 'none',
    ok: true,
  });

  say('200 tasks in 200 fresh directories');
  for (let n = 0; n < 200; n += 5) {
    await Promise.all(Array.from({ length: 5 }, () => contest.throughBridge(TRIVIAL)));
  }
  await sleep(SETTLES_MS);
  const engineMb = await residentMb(server.pid);
  const bridge200 = await residentMb(bridge.pid);
  add({
    what: 'OpenCode memory 10 s after 200 tasks in 200 fresh directories, 5 at once',
    measured: `${engineMb} MB`,
    comparison: '',
    goal: 'under 1,300 MB',
    ok: engineMb < 1_300,
  });

  say('800 more tasks');
  for (let n = 0; n < 800; n += 10) {
    await Promise.all(Array.from({ length: 10 }, () => contest.throughBridge(TRIVIAL, warm)));
  }
  const bridge1000 = await residentMb(bridge.pid);
  add({
    what: 'bridge memory after 200 and after 1,000 finished tasks',
    measured: `${bridge200} MB, ${bridge1000} MB`,
    comparison: '',
    goal: 'under 150 MB, no growth',
    ok: bridge200 < 150 && bridge1000 <= bridge200 * 1.1,
  });

  const tools = JSON.stringify(await bridge.client.listTools()).length;
  add({
    what: 'tools/list',
    measured: `${tools} bytes`,
    comparison: '',
    goal: 'under 8,000 bytes',
    ok: tools < 8_000,
  });
  add({
    what: '/health after process start',
    measured: ms(bridge.healthMs),
    comparison: '',
    goal: 'within 1,000 ms',
    ok: bridge.healthMs < 1_000,
  });

  say('the event log');
  const rate = await eventsPerSecond(join(root.path, 'log'));
  add({
    what: 'stored events a second, one by one, four followers',
    measured: rate.toLocaleString('en'),
    comparison: '',
    goal: 'at least 5,000',
    ok: rate >= 5_000,
  });

  say('200 tasks of 20 agents at once');
  add(await statusUnderLoad());
} finally {
  await bridge.stop();
  await server.stop();
  await model.close();
  await report(rows);
}
