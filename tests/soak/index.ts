import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createOpencodeClient } from '@opencode-ai/sdk/v2/client';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { authorization } from '../../src/runners/opencode-server/endpoint.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import buildProgram from '../support/build-program.ts';
import { startOpenCode } from '../support/opencode.ts';
import { startFaultyProxy } from '../support/proxy.ts';
import { tempDir } from '../support/temp.ts';
import { audit } from './audit.ts';
import { BridgeProcess, type Size } from './bridge-process.ts';
import { chooseFault, type World } from './faults.ts';
import { Random } from './random.ts';
import { tableOf } from './table.ts';
import { Traffic } from './traffic.ts';

/** `npm run soak -- --minutes 10 --seed 7`: tasks in flight while things break; what became of each is a table. */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    /** Where the log of the bridge is written to. */
    log: { type: 'string' },
  },
});
const lastsMs = Number(values.minutes) * 60_000;
const seed = Number(values.seed);
if (!(lastsMs > 0) || !Number.isInteger(seed)) {
  throw new Error(
    `--minutes ${values.minutes} --seed ${values.seed}: give a number of minutes and a whole number`,
  );
}
/** How long the tasks that are under way may take to end. */
const ENDING_MS = 320_000;
const FIRST_SIZE_MS = Math.min(60_000, lastsMs / 2);
const FOLDERS = 3;

const say = (what: string): void => void process.stderr.write(`${what}\n`);
const releases: (() => Promise<unknown> | unknown)[] = [];
const release = async (): Promise<void> => {
  for (let next = releases.pop(); next; next = releases.pop()) await next();
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => release().finally(() => process.exit(130)));
}

async function build(random: Random): Promise<World & { dataDir: string }> {
  await buildProgram();
  const root = await tempDir('soak-');
  releases.push(root.remove);
  const model = await startScriptedModel();
  releases.push(() => model.close());
  const engine = await startOpenCode({ modelUrl: model.url });
  releases.push(() => engine.stop());
  const proxy = await startFaultyProxy(engine.url);
  releases.push(() => proxy.close());
  const folders = Array.from({ length: FOLDERS }, (_, n) => join(root.path, 'folders', String(n)));
  for (const folder of folders) await mkdir(folder, { recursive: true });
  const dataDir = join(root.path, 'data');
  const bridge = new BridgeProcess(
    {
      PATH: process.env.PATH ?? '',
      HOME: root.path,
      DATA_DIR: dataDir,
      ALLOWED_DIRECTORIES: join(root.path, 'folders'),
      OPENCODE_SERVER_ENABLED: 'true',
      OPENCODE_SERVER_URL: proxy.url,
      OPENCODE_SERVER_PASSWORD: engine.password,
      MAX_CONCURRENT_TASKS: '12',
      INSTANCE_LINGER_MS: '5000',
      SHUTDOWN_GRACE_MS: '1000',
    },
    await freePort(),
  );
  releases.push(() => values.log !== undefined && writeFile(values.log, bridge.log));
  releases.push(() => bridge.end('SIGKILL'));
  await bridge.start();
  const traffic = new Traffic(bridge, random, folders);
  releases.push(() => traffic.close());
  return { bridge, engine, proxy, traffic, random, dataDir };
}

/** Breaks something every few seconds; answers with how often each. */
async function plague(world: World, random: Random): Promise<Map<string, number>> {
  const struck = new Map<string, number>();
  for (const until = Date.now() + lastsMs; Date.now() < until; ) {
    await sleep(random.between(500, 5_000));
    const { name, strike } = chooseFault(random);
    say(`  ${new Date().toISOString()} ${name}`);
    await strike(world);
    struck.set(name, (struck.get(name) ?? 0) + 1);
  }
  return struck;
}

async function soak(): Promise<boolean> {
  say(`seed ${seed}, ${values.minutes} minutes`);
  const random = new Random(seed);
  const world = await build(random);
  const { bridge, engine, traffic, dataDir } = world;
  // The chance of the faults is apart, so that it does not depend on how fast the tasks are.
  const flow = traffic.flow();
  const first = largestOf(bridge, FIRST_SIZE_MS);
  const struck = await plague(world, new Random(seed + 1));
  traffic.finish();
  await Promise.race([flow, sleep(ENDING_MS, undefined, { ref: false })]);
  const last = await sizeOf(bridge);
  await traffic.close();
  await bridge.end('SIGTERM');
  const opencode = createOpencodeClient({
    baseUrl: engine.url,
    headers: authorization(engine),
    throwOnError: true,
  });
  const found = await audit(traffic.tasks, traffic.agents, dataDir, opencode);
  const { text, ok } = tableOf({ seed, found, struck, repeated: traffic.repeated, first: await first, last });
  process.stdout.write(text);
  return ok;
}

/** One sample alone may fall right after a kill, when the bridge holds little. */
async function largestOf(bridge: BridgeProcess, forMs: number): Promise<Size> {
  const largest = { handles: 0, memoryMb: 0 };
  for (const until = Date.now() + forMs; Date.now() < until; await sleep(1_000)) {
    const { handles, memoryMb } = await sizeOf(bridge);
    largest.handles = Math.max(largest.handles, handles);
    largest.memoryMb = Math.max(largest.memoryMb, memoryMb);
  }
  return largest;
}

/** A bridge that is being started again has no size yet. */
async function sizeOf(bridge: BridgeProcess): Promise<Size> {
  for (;;) {
    const size = await bridge.size().catch(() => undefined);
    if (size && !Number.isNaN(size.memoryMb)) return size;
    await sleep(200);
  }
}

try {
  process.exitCode = (await soak()) ? 0 : 1;
} finally {
  await release();
}
