import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createOpencodeClient } from '@opencode-ai/sdk/v2/client';
import { Client } from 'mcp-sdk-2024/client/index.js';
import { StdioClientTransport } from 'mcp-sdk-2024/client/stdio.js';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { authorization } from '../../src/runners/opencode-server/endpoint.ts';
import { bridgeEnv, type Program, startProgram } from '../e2e/program.ts';
import { startServer } from '../http/server.ts';
import { COMPILE_CACHE, PROGRAM } from '../support/built-program.ts';
import { type RunningOpenCode, startOpenCode } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';
import { expectObserved, versionOf } from './observed.ts';
import { type RecordingProxy, type Sent, startRecordingProxy } from './recording-proxy.ts';

const LIMIT_MS = 180_000;

/** Nothing is handed over on stdio here, so the bridge of that needs no OpenCode. */
const NO_OPENCODE = { OPENCODE_SERVER_URL: 'http://127.0.0.1:1', OPENCODE_SERVER_PASSWORD: 'x' };

let folder: Awaited<ReturnType<typeof tempDir>>;
let model: ScriptedModel;
let engine: RunningOpenCode;
let server: Awaited<ReturnType<typeof startServer>>;
let owner: Program;
let proxy: RecordingProxy;

/** Closed in the reverse order, also if the start fails. */
const opened = new AsyncDisposableStack();

/** An OpenCode that has bridges as MCP servers: one by its address, one as a program that it starts. */
beforeAll(async () => {
  folder = opened.use(await tempDir('program-clients-'));
  model = opened.adopt(await startScriptedModel(), (it) => it.close());
  server = opened.use(await startServer());
  await server.restart({ sessionStore: server.bridge.mcpSessions });
  proxy = opened.use(await startRecordingProxy(() => server.url));
  owner = await serve(folder.path);
  const command = [process.execPath, PROGRAM, 'stdio'];
  const started = await startOpenCode({
    modelUrl: model.url,
    config: {
      permission: { '*': 'allow' },
      mcp: {
        remote: { type: 'remote', url: proxy.url, enabled: true },
        local: { type: 'local', command, environment: environmentOfStdio(folder.path), enabled: true },
      },
    },
  });
  engine = opened.use(started);
}, LIMIT_MS);
afterAll(() => opened.disposeAsync(), LIMIT_MS);

/** A bridge that owns the data folder of this home; `stdio` with the same home passes through to it. */
async function serve(home: string): Promise<Program> {
  await mkdir(home, { recursive: true });
  const program = startProgram('serve', { ...bridgeEnv(home, model.url), ...NO_OPENCODE });
  opened.defer(() => kill(program));
  await program.says(/"url":"(http:[^"]+\/mcp)"/);
  return program;
}

async function kill({ child, exit }: Program): Promise<void> {
  child.kill('SIGKILL');
  await exit;
}

function environmentOfStdio(home: string): Record<string, string> {
  return { ...bridgeEnv(home, model.url), ...NO_OPENCODE, ...COMPILE_CACHE };
}

/** What the model of a new session of OpenCode is given as the answer of a tool. */
async function answerInOpenCode(tool: string, args: object): Promise<string> {
  const api = createOpencodeClient({
    baseUrl: engine.url,
    headers: authorization(engine),
    throwOnError: true,
  });
  const directory = join(folder.path, 'project');
  await mkdir(directory, { recursive: true });
  const { data } = await api.session.create({ directory });
  const sessionID = z.string().parse(data?.id);
  const text = scriptText([{ tools: [{ name: tool, args: { ...args } }] }, { text: 'Done.' }]);
  await api.session.prompt({ sessionID, directory, parts: [{ type: 'text', text }] });
  const request = model.requests.findLast(
    ({ session, messages }) => session === sessionID && messages.some(({ role }) => role === 'tool'),
  );
  return JSON.stringify(request?.messages.findLast(({ role }) => role === 'tool')?.content);
}

it(
  'OpenCode hands a task over by the address, also after a restart of the bridge',
  async () => {
    const order = { task_description: 'do it', agent_id: 'me' };
    const answer = await answerInOpenCode('remote_opencode_execute_task', order);
    expect(answer).toContain('task_0');
    await server.restart({ sessionStore: server.bridge.mcpSessions });
    const again = await answerInOpenCode('remote_opencode_execute_task', order);
    await expectObserved('opencode', {
      client: 'OpenCode',
      version: versionOf('opencode-ai'),
      transport: 'http',
      sent: proxy.sent,
      content: answer.includes('\\"task_id\\"') ? 'structured' : 'text',
      restart: again.includes('task_0'),
    });
  },
  LIMIT_MS,
);

it(
  'OpenCode calls the bridge that it starts itself, also after the one that it passed through to is killed',
  async () => {
    expect(await answerInOpenCode('local_ping', {})).toContain('pong');
    await kill(owner);
    expect(await answerInOpenCode('local_ping', {})).toContain('pong');
  },
  LIMIT_MS,
);

it(
  'the SDK of 2024 calls a tool over stdio, also after the bridge behind it is killed',
  async () => {
    const home = join(folder.path, '2024');
    const behind = await serve(home);
    const client = new Client({ name: 'c', version: '1' }, { capabilities: {} });
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [PROGRAM, 'stdio'],
      env: environmentOfStdio(home),
      stderr: 'ignore',
    });
    const sent: Sent[] = [];
    const send = transport.send.bind(transport);
    transport.send = async (message) => {
      if ('method' in message)
        sent.push({ method: message.method, params: message.params ?? {}, headers: {} });
      return send(message);
    };
    await client.connect(transport);
    await client.listTools();
    const ping = () =>
      client.callTool({ name: 'ping', arguments: {} }).then((answer) => JSON.stringify(answer), String);
    expect(await ping()).toContain('pong');
    await kill(behind);
    const again = await vi.waitFor(
      async () => {
        const answer = await ping();
        if (!answer.includes('pong')) throw new Error(answer);
        return answer;
      },
      { timeout: 60_000 },
    );
    await client.close();
    await expectObserved('sdk-2024', {
      client: '`@modelcontextprotocol/sdk` of 2024',
      version: versionOf('mcp-sdk-2024'),
      transport: 'stdio',
      sent,
      restart: again.includes('pong'),
    });
  },
  LIMIT_MS,
);
