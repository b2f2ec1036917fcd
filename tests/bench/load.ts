import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { z } from 'zod';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { isEnd, TASK_STATUSES } from '../../src/tasks/task.ts';
import { BUILT_IN_MODELS, startOpenCode } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';
import { startBenchBridge } from './bench-bridge.ts';
import type { Row } from './report.ts';
import { median, timed } from './sample.ts';
import { TRIVIAL } from './tasks.ts';

const AGENTS = 20;
const TASKS_EACH = 10;
const ROUNDS = 2;
const EVERY_MS = 20;
const GOAL_MS = 100;
const PROBE_MS = 100;
const PROBE_GOAL_MS = 50;

interface SubmittedTask {
  task_id: string;
  agent_id: string;
}

const taskSchema = z.object({ task_id: z.string(), status: z.enum(TASK_STATUSES) });

/** How long get_task_status takes while 200 tasks wait and run, and, by turns in the same run, while none does. */
export async function* loadRows(): AsyncGenerator<Row> {
  await using root = await tempDir('bench-load-');
  const directory = join(root.path, 'work');
  await mkdir(directory);
  const model = await startScriptedModel();
  const server = await startOpenCode({ env: BUILT_IN_MODELS, modelUrl: model.url });
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    ALLOWED_DIRECTORIES: directory,
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: server.url,
    OPENCODE_SERVER_PASSWORD: server.password,
    MAX_CONCURRENT_TASKS: String(AGENTS),
    MAX_QUEUED_TASKS: String(AGENTS * TASKS_EACH),
    LOG_LEVEL: 'warn',
  };
  const port = await freePort();
  const bridge = await startBenchBridge(env, port);
  const clients = await Promise.all(Array.from({ length: AGENTS }, () => connect(port)));
  try {
    const stop = new AbortController();
    const probing = probe(bridge.url, stop.signal);
    yield rowOf(await rounds(bridge.client, clients, directory));
    stop.abort();
    yield probeRow(await probing);
  } finally {
    for (const client of clients) await client.close();
    await bridge.stop();
    await server.stop();
    await model.close();
  }
}

async function rounds(observer: Client, clients: readonly Client[], directory: string) {
  const loaded: number[] = [];
  const idle: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const tasks = await submitTask(clients, directory);
    loaded.push(...(await watch(observer, tasks)));
    idle.push(...(await revisit(observer, tasks)));
  }
  return { loaded: median(loaded), idle: median(idle) };
}

function rowOf({ loaded, idle }: { loaded: number; idle: number }): Row {
  return {
    what: `get_task_status while ${AGENTS * TASKS_EACH} tasks of ${AGENTS} agents wait and run, ${ROUNDS} rounds`,
    measured: `${loaded.toFixed(1)} ms`,
    comparison: `with no task: ${idle.toFixed(1)} ms (ratio ${(loaded / idle).toFixed(1)})`,
    goal: `under ${GOAL_MS} ms`,
    ok: loaded < GOAL_MS,
  };
}

/** Asks as the probes of an orchestrator do, but more often; answers with how long each answer took. */
async function probe(url: string, signal: AbortSignal): Promise<number[]> {
  const times: number[] = [];
  while (!signal.aborted) {
    for (const path of ['/health', '/ready'])
      times.push(await timed(async () => (await fetch(url + path)).text()));
    await sleep(PROBE_MS);
  }
  return times;
}

function probeRow(times: readonly number[]): Row {
  const slow = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.95)] ?? Number.NaN;
  return {
    what: `/health and /ready meanwhile, 95 of 100 answers, n=${times.length}`,
    measured: `${slow.toFixed(1)} ms`,
    comparison: `median: ${median(times).toFixed(1)} ms`,
    goal: `within ${PROBE_GOAL_MS} ms`,
    ok: slow <= PROBE_GOAL_MS,
  };
}

async function connect(port: number): Promise<Client> {
  const client = new Client({ name: 'bench', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`)));
  return client;
}

/** All tasks of all agents at once. */
function submitTask(clients: readonly Client[], directory: string): Promise<SubmittedTask[]> {
  const orders = clients.flatMap((client, index) =>
    Array.from({ length: TASKS_EACH }, () => ({ client, agent_id: `agent-${index}` })),
  );
  return Promise.all(
    orders.map(async ({ client, agent_id }) => {
      const order = { task_description: TRIVIAL, agent_id, directory };
      const result = await client.callTool({ name: 'opencode_execute_task', arguments: order });
      return { agent_id, task_id: taskSchema.parse(result.structuredContent).task_id };
    }),
  );
}

/**
 * Asks for one task after the other until all have ended, at fixed times whether or not the answer before is
 * there, so that slow moments count by their length; answers with how long each answer took.
 */
async function watch(client: Client, tasks: readonly SubmittedTask[]): Promise<number[]> {
  const open = new Set(tasks);
  const asked: Promise<number>[] = [];
  while (open.size > 0) {
    for (const task of open) {
      asked.push(timed(async () => isEnd(await statusOf(client, task)) && open.delete(task)));
      await sleep(EVERY_MS);
    }
  }
  return Promise.all(asked);
}

/** The same of tasks that have ended. */
async function revisit(client: Client, tasks: readonly SubmittedTask[]): Promise<number[]> {
  const asked: Promise<number>[] = [];
  for (const task of tasks) {
    asked.push(timed(() => statusOf(client, task)));
    await sleep(EVERY_MS);
  }
  return Promise.all(asked);
}

async function statusOf(client: Client, task: SubmittedTask) {
  const result = await client.callTool({ name: 'get_task_status', arguments: { ...task } });
  return taskSchema.parse(result.structuredContent).status;
}
