import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createOpencodeClient } from '@opencode-ai/sdk/v2/client';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { startApi } from '../http/rest.ts';
import { SocketClient } from '../http/socket-client.ts';
import { BUILT_IN_MODELS, startOpenCode } from '../support/opencode.ts';
import { slowly } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { created } from '../tasks/created.ts';
import { startBenchBridge } from './bench-bridge.ts';
import { ms, type Row } from './report.ts';
import { median, sideBySide, timed, until } from './sample.ts';

const FOLLOWERS = 50;
const EVENTS = 20_000;
const TASKS = 10_000;
const LIVE_TASKS = 15;
const HOST = join(import.meta.dirname, 'followers-host.ts');

/** What the task API adds, and how it holds up. */
export async function* taskApiRows(): AsyncGenerator<Row> {
  yield await firstEvent();
  yield await manyFollowers();
  yield await longList();
  yield await firstLiveText();
}

async function firstEvent(): Promise<Row> {
  await using server = await startApi({ limits: { maxConcurrent: 1_000 } });
  const { api, bridge, http } = server;
  const overSocket = async (): Promise<void> => {
    const client = new SocketClient(`${http.url}/tasks/${await api.start()}/stream?view=events`);
    await client.until(() => true);
    client.socket.terminate();
  };
  const inProcess = async (): Promise<void> => {
    for await (const _ of bridge.log.follow(await api.start(), 0)) break;
  };
  for (let n = 0; n < 10; n += 1) await Promise.all([overSocket(), inProcess()]);
  const { first, second } = await sideBySide(40, overSocket, inProcess);
  return {
    what: 'submit over REST until the first event at a new WebSocket, n=40',
    measured: `${first.toFixed(1)} ms`,
    comparison: `in the process: ${second.toFixed(1)} ms`,
    goal: 'at most 5 ms more',
    ok: first - second <= 5,
  };
}

async function manyFollowers(): Promise<Row> {
  await using server = await startApi({ limits: { defaultTimeoutMs: 600_000 } });
  const { api, bridge, http, runner } = server;
  const id = await api.start();
  await runner.turnOf(id);
  const before = bridge.log.get(id)?.lastSeq ?? 0;
  const args = [HOST, http.url, id, String(FOLLOWERS), String(before + EVENTS + 1)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout);
  await once(lines, 'line');
  const done = once(lines, 'line');
  const start = performance.now();
  for (let n = 0; n < EVENTS; n += 1) {
    bridge.log.append(id, { kind: 'output', text: 'hello '.repeat(20), message_id: 'm', part_id: `p${n}` });
    if (n % 10 === 0) await new Promise(setImmediate);
  }
  bridge.log.append(id, { kind: 'cancelled', by: 'bench' });
  const [complete] = await done;
  const rate = Math.round((EVENTS / (performance.now() - start)) * 1_000);
  return {
    what: `stored events a second, until all of ${FOLLOWERS} followers of the task by WebSocket and SSE have each`,
    measured: rate.toLocaleString('en'),
    comparison: `${complete} of ${FOLLOWERS} complete`,
    goal: 'at least 5,000, none cut off',
    ok: rate >= 5_000 && complete === String(FOLLOWERS),
  };
}

async function longList(): Promise<Row> {
  await using server = await startApi();
  const { api, bridge } = server;
  for (let n = 0; n < TASKS; n += 1) {
    const id = `task_${(1_000 + n).toString(36).padStart(9, '0')}${String(n).padStart(20, '0')}`;
    bridge.log.create(id, created({ agent_id: 'default' }), 'print');
    bridge.log.append(id, { kind: 'cancelled', by: 'bench' });
  }
  const times: number[] = [];
  for (let n = 0; n < 50; n += 1) times.push(await timed(() => api.get('/tasks?limit=100')));
  const time = median(times);
  return {
    what: `GET /tasks, a page of 100 of ${TASKS.toLocaleString('en')}, n=50`,
    measured: `${time.toFixed(1)} ms`,
    comparison: '',
    goal: 'under 10 ms',
    ok: time < 10,
  };
}

const deltaSchema = z.object({
  payload: z.object({
    type: z.literal('message.part.delta'),
    properties: z.object({ sessionID: z.string() }),
  }),
});

/** How much later than at a client of OpenCode's own stream the first text is at a follower of the bridge. */
async function firstLiveText(): Promise<Row> {
  await using root = await tempDir('bench-live-');
  const model = await startScriptedModel();
  await using server = await startOpenCode({ env: BUILT_IN_MODELS, modelUrl: model.url });
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: server.url,
    OPENCODE_SERVER_PASSWORD: server.password,
    LOG_LEVEL: 'warn',
  };
  const bridge = await startBenchBridge(env, await freePort());
  const credentials = Buffer.from(`${server.username}:${server.password}`).toString('base64');
  const client = createOpencodeClient({
    baseUrl: server.url,
    headers: { authorization: `Basic ${credentials}` },
  });
  const ending = new AbortController();
  const seen = new Map<string, number>();
  try {
    const { stream } = await client.global.event({ signal: ending.signal });
    const watching = (async () => {
      for await (const event of stream) {
        const delta = deltaSchema.safeParse(event).data;
        const session = delta?.payload.properties.sessionID;
        if (session !== undefined && !seen.has(session)) seen.set(session, performance.now());
      }
    })().catch(() => undefined);
    const later: number[] = [];
    for (let n = 0; n < LIVE_TASKS; n += 1) {
      const task_description = scriptText([slowly('word ', 600)]);
      const response = await fetch(`${bridge.url}/tasks/execute`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ task_description }),
      });
      const { execution_id } = z.object({ execution_id: z.string() }).parse(await response.json());
      const follower = new SocketClient(`${bridge.url}/tasks/${execution_id}/stream?view=events`);
      const attached = await follower.until(({ event }) => event?.kind === 'attached');
      await follower.until(({ type }) => type === 'delta');
      const at = performance.now();
      const { session_id } = attached.event;
      await until(() => seen.has(session_id), 'OpenCode sends text');
      later.push(at - (seen.get(session_id) ?? 0));
      await follower.closed;
    }
    ending.abort();
    await watching;
    const time = median(later);
    return {
      what: `first live text at a WebSocket after OpenCode's own event, n=${LIVE_TASKS}`,
      measured: ms(time),
      comparison: `at most ${ms(Math.max(...later))}`,
      goal: 'within 20 ms',
      ok: time <= 20,
    };
  } finally {
    ending.abort();
    await bridge.stop();
    await model.close();
  }
}
