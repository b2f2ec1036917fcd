import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StreamableHTTPClientTransport as SessionTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { z } from 'zod';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { callTool } from '../http/modern.ts';
import { beginSession, post, request } from '../http/server.ts';
import { connectLegacy, connectModern } from '../mcp/era.ts';
import { BUILT_IN_MODELS, startOpenCode } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';
import { startBridgeProcess } from './bench-bridge.ts';
import { manyClients } from './many-clients.ts';
import { ms, type Row } from './report.ts';
import { median, sideBySide, timed } from './sample.ts';

const CALLS = 200;
const WARM_UP = 100;
const NEW_CLIENTS = 50;
const STARTS = 5;
const IMPORTS = 7;
/** Until a bridge has loaded what it loads after its start, on a busy machine too. */
const LOADED_MS = 1_500;
const LIST_GOAL_MS = 30;
const IMPORT_HOST = join(import.meta.dirname, 'sdk-import-host.ts');

/** What requests of the revision without sessions take, against those of a session. */
export async function* mcpRows(): AsyncGenerator<Row> {
  await using root = await tempDir('bench-mcp-');
  const model = await startScriptedModel();
  await using opencode = await startOpenCode({ env: BUILT_IN_MODELS, modelUrl: model.url });
  const envOf = (name: string): Record<string, string> => ({
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, name),
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: opencode.url,
    OPENCODE_SERVER_PASSWORD: opencode.password,
    MCP_RATE_LIMIT: '0',
    LOG_LEVEL: 'warn',
  });
  const bridge = await startBridgeProcess(envOf('eras'), await freePort());
  const url = `${bridge.url}/mcp`;
  try {
    yield await toolCalls(url);
    yield await callsOfClients(url);
    yield await firstLists(url, (n) => envOf(`start-${n}`));
    yield await imports(root.path);
  } finally {
    await bridge.stop();
  }
  yield await manyClients(envOf('many'));
  await model.close();
}

async function toolCalls(url: string): Promise<Row> {
  const session = {
    'mcp-session-id': await beginSession(url),
    'mcp-protocol-version': '2025-11-25',
  };
  const read = async (response: Promise<Response>): Promise<void> => {
    const text = await (await response).text();
    if (!text.includes('"pong":true')) throw new Error(text);
  };
  const modern = () => read(callTool(url, 'ping'));
  const old = () => read(post(url, request('tools/call', { name: 'ping', arguments: {} }), session));
  return compared(`tools/call of ping in the new era, by turns with a session's, n=${CALLS}`, modern, old, 1);
}

/** As agents call, so that what each SDK takes at the client counts too. */
async function callsOfClients(url: string): Promise<Row> {
  const modern = await connectModern({ url });
  const old = await connectLegacy(new SessionTransport(new URL(url)));
  const ping = { name: 'ping', arguments: {} };
  try {
    const what = `the same by the clients of both SDKs, n=${CALLS}`;
    return await compared(
      what,
      () => modern.callTool(ping),
      () => old.callTool(ping),
    );
  } finally {
    await modern.close();
    await old.close();
  }
}

async function compared(
  what: string,
  modern: () => Promise<unknown>,
  old: () => Promise<unknown>,
  goal?: number,
): Promise<Row> {
  await sideBySide(WARM_UP, modern, old);
  const { first, second } = await sideBySide(CALLS, modern, old);
  const ratio = first / second;
  return {
    what,
    measured: `${first.toFixed(2)} ms`,
    comparison: `in a session: ${second.toFixed(2)} ms (ratio ${ratio.toFixed(2)})`,
    goal: goal === undefined ? 'none' : `ratio at most ${goal.toFixed(2)}`,
    ok: goal === undefined || Number(ratio.toFixed(2)) <= goal,
  };
}

/** The client is warm: what is measured is the bridge, one that has served and ones that have just started. */
async function firstLists(url: string, envOf: (n: number) => Record<string, string>): Promise<Row> {
  const times: number[] = [];
  for (let n = 0; n < WARM_UP; n += 1) await firstList(url);
  for (let n = 0; n < NEW_CLIENTS; n += 1) times.push(await timed(() => firstList(url)));
  const afterStart: number[] = [];
  for (let n = 0; n < STARTS; n += 1) {
    const bridge = await startBridgeProcess(envOf(n), await freePort());
    await sleep(LOADED_MS);
    afterStart.push(await timed(() => firstList(`${bridge.url}/mcp`)));
    await bridge.stop();
  }
  const [time, first] = [median(times), median(afterStart)];
  return {
    what: `first tools/list of a new client, with negotiation, n=${NEW_CLIENTS}`,
    measured: `${time.toFixed(1)} ms`,
    comparison: `the first client after a start, n=${STARTS}: ${first.toFixed(1)} ms`,
    goal: `both under ${LIST_GOAL_MS} ms`,
    ok: time < LIST_GOAL_MS && first < LIST_GOAL_MS,
  };
}

async function firstList(url: string): Promise<void> {
  const client = new Client({ name: 'bench', version: '0' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const { tools } = await client.listTools();
  if (tools.length === 0) throw new Error('no tools');
  await client.close();
}

const costSchema = z.object({ ms: z.number(), mb: z.number() });
const importsSchema = z.object({ sessions: costSchema, modern: costSchema });

async function imports(folder: string): Promise<Row> {
  const taken: z.infer<typeof importsSchema>[] = [];
  const run = promisify(execFile);
  for (let n = -1; n < IMPORTS; n += 1) {
    const { stdout } = await run(process.execPath, [IMPORT_HOST, join(folder, 'compiled')]);
    // The first one fills the cache of compiled code, as the first start of a bridge does.
    if (n >= 0) taken.push(importsSchema.parse(JSON.parse(stdout)));
  }
  const of = (sdk: 'sessions' | 'modern', unit: 'ms' | 'mb') => median(taken.map((one) => one[sdk][unit]));
  return {
    what: `import of the SDK of the new era, which the bridge does after its start, n=${IMPORTS}`,
    measured: `${ms(of('modern', 'ms'))}, ${of('modern', 'mb').toFixed(1)} MB`,
    comparison: `that of sessions, before it: ${ms(of('sessions', 'ms'))}, ${of('sessions', 'mb').toFixed(1)} MB`,
    goal: 'at most 60 ms and 15 MB',
    ok: of('modern', 'ms') <= 60 && of('modern', 'mb') <= 15,
  };
}
