import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { processesOf } from '../support/processes.ts';
import { type SharedServer, sharedOpenCode } from '../support/shared-engine.ts';
import { tempDir } from '../support/temp.ts';
import { externalEnv, type Program, startProgram } from './program.ts';

/** The client's default of two attempts ends before a busy machine has started a bridge. */
const RECONNECT = {
  maxRetries: 100,
  initialReconnectionDelay: 500,
  maxReconnectionDelay: 500,
  reconnectionDelayGrowFactor: 1,
};
const taskSchema = z.object({ task_id: z.string(), status: z.string() });

let server: SharedServer;
let folder: Awaited<ReturnType<typeof tempDir>>;
let bridge: Program & { url: string };

beforeAll(async () => {
  server = await sharedOpenCode();
});

beforeEach(async () => {
  folder = await tempDir('mcp-restart-');
});

afterEach(async () => {
  bridge.child.kill('SIGKILL');
  await bridge.exit;
  expect(await processesOf(folder.path)).toEqual([]);
  await folder.remove();
});

async function serve(more: Record<string, string> = {}): Promise<void> {
  const program = startProgram('serve', {
    ...externalEnv(folder.path, server),
    ...more,
  });
  const [, url = ''] = await program.says(/"url":"(http:[^"]+\/mcp)"/);
  bridge = { ...program, url };
}

/** Another process in the place of this one: same data folder, same port. */
async function restart(signal: 'SIGKILL' | 'SIGTERM', more: Record<string, string> = {}): Promise<void> {
  const { port } = new URL(bridge.url);
  bridge.child.kill(signal);
  await bridge.exit;
  await serve({ MCP_PORT: port, ...more });
}

async function connect(headers: Record<string, string> = {}): Promise<Client> {
  const client = new Client({ name: 'test', version: '0' });
  const transport = new StreamableHTTPClientTransport(new URL(bridge.url), {
    requestInit: { headers },
    reconnectionOptions: RECONNECT,
  });
  await client.connect(transport);
  return client;
}

async function call(client: Client, name: string, args: Record<string, unknown> = {}) {
  return taskSchema.parse((await client.callTool({ name, arguments: args })).structuredContent);
}

const order = { task_description: `Do it. ${scriptText([{ text: 'Done.' }])}`, agent_id: 'me' };

it.each(['SIGKILL', 'SIGTERM'] as const)(
  'a connected client does not notice that the bridge ended by %s and was started again',
  async (signal) => {
    await serve();
    const client = await connect();
    const { task_id } = await call(client, 'opencode_execute_task', order);
    await restart(signal);
    expect(await call(client, 'get_task_status', { task_id, wait_ms: 50_000 })).toMatchObject({ task_id });
    await restart(signal);
    expect(await call(client, 'get_task_status', { task_id })).toMatchObject({ task_id });
    await client.close();
  },
);

it('a call that waits when the bridge is killed fails soon after the restart, with what to do', async () => {
  await serve();
  const client = await connect();
  const script = scriptText([{ text: 'Never said.', startDelayMs: 60_000 }]);
  const { task_id } = await call(client, 'opencode_execute_task', { task_description: `Do it. ${script}` });
  const opened = Promise.withResolvers<string>();
  const waiting = client.callTool(
    { name: 'get_task_status', arguments: { task_id, wait_ms: 50_000 } },
    undefined,
    {
      onresumptiontoken: opened.resolve,
    },
  );
  const outcome = waiting.then(() => 'an answer', String);
  await opened.promise;
  await restart('SIGKILL');
  expect(await outcome).toContain('the bridge was restarted');
  expect(await call(client, 'get_task_status', { task_id })).toMatchObject({ task_id, status: 'running' });
  await client.callTool({ name: 'send_task_control', arguments: { task_id, control: 'cancel' } });
  await client.close();
});

it('a session whose token was revoked while the bridge was down opens for nobody', async () => {
  await serve({ MCP_AUTH_TOKENS: 'secret,other' });
  const client = await connect({ authorization: 'Bearer secret' });
  await client.callTool({ name: 'ping', arguments: {} });
  await restart('SIGKILL', { MCP_AUTH_TOKENS: 'other' });
  await expect(client.callTool({ name: 'ping', arguments: {} })).rejects.toThrow('UNAUTHORIZED');
  await client.close();
});
