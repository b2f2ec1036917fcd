import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { createOpencodeClient } from '@opencode-ai/sdk/v2/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { permissionVariable } from '../../src/runners/opencode-protocol/session-rules.ts';
import { authorization } from '../../src/runners/opencode-server/endpoint.ts';
import { freePort } from '../../src/runners/opencode-server/free-port.ts';
import { commandLine, rowsOf } from '../cli/command.ts';
import { PROGRAM } from '../support/built-program.ts';
import { startOpenCode } from '../support/opencode.ts';
import { subagent } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { bridgeEnv, type Program, startProgram } from './program.ts';

const outcomeSchema = z.object({ status: z.string(), result: z.object({ summary: z.string() }) });
const historySchema = z.object({ events: z.array(z.looseObject({ kind: z.string() })) });
const listSchema = z.object({ tasks: z.array(z.object({ task_id: z.string() })) });
/** Without one the bridge refuses the OpenCode that runs its tasks, see commands-guard.test.ts. */
const TOKEN = 'a-token-of-the-bridge';
let folder: Awaited<ReturnType<typeof tempDir>>;
let model: ScriptedModel;
let serve: Program;
let client: Client;
let project: string;
let remoteUrl: string;

/** The bridge, where a person's own OpenCode has it as an MCP server, for everything and for one project. */
beforeAll(async () => {
  folder = await tempDir('self-call-');
  model = await startScriptedModel();
  const port = await freePort();
  project = join(folder.path, 'project');
  const own = join(folder.path, 'config/opencode');
  await mkdir(project);
  await mkdir(own, { recursive: true });
  const local = { type: 'local', command: [process.execPath, PROGRAM, 'stdio'], enabled: true };
  remoteUrl = `http://127.0.0.1:${port}/mcp`;
  const remote = {
    type: 'remote',
    url: remoteUrl,
    enabled: true,
    headers: { Authorization: `Bearer ${TOKEN}` },
  };
  await writeFile(join(own, 'opencode.json'), JSON.stringify({ mcp: { local, remote } }));
  await writeFile(
    join(project, 'opencode.json'),
    JSON.stringify({ mcp: { 'of-project': remote }, permission: { '*': 'allow' } }),
  );
  const env = {
    ...bridgeEnv(folder.path, model.url),
    MCP_PORT: `${port}`,
    ALLOWED_DIRECTORIES: folder.path,
    MCP_AUTH_TOKENS: TOKEN,
  };
  serve = startProgram('serve', env);
  const [, url = ''] = await serve.says(/"url":"(http:[^"]+\/mcp)"/);
  client = new Client({ name: 'test', version: '0' });
  const requestInit = { headers: { Authorization: `Bearer ${TOKEN}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
});
afterAll(async () => {
  await client.close();
  serve.child.kill('SIGTERM');
  await serve.exit;
  await model.close();
  await folder.remove();
});

async function call(name: string, args: Record<string, unknown>): Promise<unknown> {
  return (await client.callTool({ name, arguments: args })).structuredContent;
}

it.each([
  ['local', 'itself'],
  ['remote', 'itself'],
  ['of-project', 'itself'],
  ['remote', 'a subagent'],
])('a task cannot hand over tasks by its MCP server %s, be it %s that tries', async (name, who) => {
  const step = {
    tools: [
      {
        name: `${name}_opencode_execute_task`,
        args: { task_description: scriptText([{ text: 'nested' }]), agent_id: 'nested' },
      },
    ],
  };
  const script = [who === 'itself' ? step : subagent([step, { text: 'tried' }]), { text: 'tried it' }];
  const outcome = await call('opencode_execute_task', {
    task_description: scriptText(script),
    agent_id: 'outer',
    directory: project,
    sync: true,
  });
  expect(outcomeSchema.parse(outcome)).toMatchObject({
    status: 'completed',
    result: { summary: 'tried it' },
  });
  const { task_id } = z.object({ task_id: z.string() }).parse(outcome);
  const { events } = historySchema.parse(
    await call('get_task_history', { task_id, agent_id: 'outer', events_limit: -1 }),
  );
  const tools = JSON.stringify(events.filter(({ kind }) => kind === 'tool'));
  expect(tools).toContain(`unavailable tool '${name}_opencode_execute_task'`);
  // The servers were there: what changes nothing is offered, but by no process that was started for it.
  expect(tools).toContain('remote_list_tasks');
  expect(tools).toContain('of-project_list_tasks');
  expect(tools).not.toMatch(/(answer_task_request|send_task_(message|control))/);
  expect(tools).not.toContain('local_list_tasks');
  expect(listSchema.parse(await call('list_tasks', { agent_id: 'nested' })).tasks).toEqual([]);
});

it('stdio says why it does not serve the OpenCode of a bridge', async () => {
  const env = { ...bridgeEnv(join(folder.path, 'other'), model.url), LETTA_OPENCODE_ENGINE: 'some' };
  const program = startProgram('stdio', env);
  expect(await program.exit).toBe(2);
  expect(program.stderr()).toMatch(/started by the OpenCode server of a bridge.*\n.*"enabled": false/);
});

it('the CLI of Docker mode is kept from it by a variable, whatever the configuration allows', async () => {
  const env = {
    XDG_CONFIG_HOME: join(folder.path, 'config'),
    OPENCODE_PERMISSION: permissionVariable('{"webfetch":"deny"}'),
  };
  await using engine = await startOpenCode({ modelUrl: model.url, env });
  const headers = authorization(engine);
  const api = createOpencodeClient({ baseUrl: engine.url, headers, throwOnError: true });
  const created = await api.session.create({ directory: project });
  const sessionID = z.string().parse(created.data?.id);
  const text = scriptText([
    { tools: [{ name: 'remote_opencode_execute_task', args: {} }] },
    { text: 'tried' },
  ]);
  await api.session.prompt({ sessionID, parts: [{ type: 'text', text }] });
  const { data: messages } = await api.session.messages({ sessionID });
  const said = JSON.stringify(messages);
  expect(said).toContain("unavailable tool 'remote_opencode_execute_task'");
  expect(said).toContain('remote_list_tasks');
  expect(said).not.toMatch(/(answer_task_request|send_task_(message|control)|webfetch)/);
});

it('doctor names the entry', async () => {
  await using cli = await commandLine();
  const { port } = new URL(remoteUrl);
  const OPENCODE_CONFIG_CONTENT = JSON.stringify({
    mcp: {
      mine: { type: 'remote', url: remoteUrl, enabled: true },
      npx: { type: 'local', command: ['npx', 'letta-opencode-plugin', 'stdio'], enabled: true },
      off: { type: 'remote', url: remoteUrl, enabled: false },
      other: { type: 'remote', url: 'http://127.0.0.1:1/mcp', enabled: true },
    },
  });
  const outcome = await cli.run('doctor', {
    OPENCODE_SERVER_ENABLED: 'true',
    MCP_PORT: port,
    OPENCODE_CONFIG_CONTENT,
  });
  const detail = 'warn its configuration has a bridge as MCP server "mine", "npx"';
  expect(rowsOf(outcome)['MCP of OpenCode']).toBe(detail);
  expect(outcome.code).toBe(0);
});
