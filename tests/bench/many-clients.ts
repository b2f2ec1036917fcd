import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { z } from 'zod';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { type BridgeProcess, startBridgeProcess } from './bench-bridge.ts';
import { INSPECTED, Inspected } from './inspected.ts';
import type { Row } from './report.ts';
import { until } from './sample.ts';

const CLIENTS = 1_000;
const PER_SECOND = 20;
const SECONDS = 30;
const WARM_UP_SECONDS = 5;
/** For what is compiled and cached late. */
const MORE_BYTES = 2e6;
/** Timers of the bridge's own come and go. */
const MORE_HANDLES = 5;
const HOST = join(import.meta.dirname, 'modern-clients-host.ts');

const loadSchema = z.object({ answers: z.number(), wrong: z.number(), examples: z.array(z.string()) });

/** Clients without sessions that ask as fast as they may: whether each answer is right, and what the bridge keeps of them. */
export async function manyClients(env: Record<string, string>): Promise<Row> {
  const bridge = await startBridgeProcess({ ...env, METRICS_ENABLED: 'true' }, await freePort(), INSPECTED);
  const inspected = await Inspected.connect(bridge);
  try {
    const files = await openFiles(bridge);
    await load(bridge, WARM_UP_SECONDS);
    const before = await held(bridge, inspected, files);
    const { answers, wrong } = await load(bridge, SECONDS);
    const after = await held(bridge, inspected, files);
    const sessions = await openSessions(bridge);
    inspected.close();
    await bridge.stop();
    const kept = keptSessions(env.DATA_DIR ?? '');
    const mb = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;
    return {
      what: `${CLIENTS.toLocaleString('en')} clients of the new era, each up to ${PER_SECOND} requests a second, one at a time, ${SECONDS} s`,
      measured: `${Math.round(answers / SECONDS).toLocaleString('en')} answers a second, ${wrong} wrong`,
      comparison: `heap before and after: ${mb(before.bytes)}, ${mb(after.bytes)}; handles: ${before.handles}, ${after.handles}; sessions: ${sessions}, stored: ${kept}`,
      goal: 'all right, no growth, no session',
      ok:
        wrong === 0 &&
        after.bytes - before.bytes <= MORE_BYTES &&
        after.handles - before.handles <= MORE_HANDLES &&
        sessions + kept === 0,
    };
  } finally {
    inspected.close();
    await bridge.stop();
  }
}

async function load({ url }: BridgeProcess, seconds: number) {
  const args = [HOST, `${url}/mcp`, ...[CLIENTS, PER_SECOND, seconds * 1_000].map(String)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const result = loadSchema.parse(JSON.parse(stdout));
  for (const example of result.examples) process.stderr.write(`  wrong: ${example}\n`);
  return result;
}

/** Once the connections of the clients are closed. */
async function held(bridge: BridgeProcess, inspected: Inspected, files: number) {
  await until(async () => (await openFiles(bridge)) <= files, 'the bridge has closed its connections');
  return { bytes: await inspected.heldBytes(), handles: await inspected.handles() };
}

async function openFiles({ pid }: BridgeProcess): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

async function openSessions({ url }: BridgeProcess): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^\w*mcp_sessions(?:\{.*\})? (\d+)$/m.exec(metrics)?.[1] ?? Number.NaN);
}

/** Those that would be taken up after a restart. */
function keptSessions(dataDir: string): number {
  using database = new DatabaseSync(join(dataDir, 'bridge.db'), { readOnly: true });
  const row = database.prepare('SELECT count(*) AS kept FROM mcp_sessions').get();
  return z.object({ kept: z.number() }).parse(row).kept;
}
