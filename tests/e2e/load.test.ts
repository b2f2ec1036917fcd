import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { type RunningOpenCode, startOpenCode } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';
import { type Program, startProgram } from './program.ts';

const AGENTS = 20;
const TASKS_EACH = 10;
const taskSchema = z.object({ task_id: z.string(), status: z.string() });

let root: Awaited<ReturnType<typeof tempDir>>;
let directory: string;
let model: ScriptedModel;
let engine: RunningOpenCode;
let bridge: Program;
let clients: Client[];

beforeAll(async () => {
  root = await tempDir('load-');
  directory = join(root.path, 'work');
  await mkdir(directory);
  model = await startScriptedModel();
  engine = await startOpenCode({ modelUrl: model.url });
  bridge = startProgram('serve', {
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    ALLOWED_DIRECTORIES: directory,
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: engine.url,
    OPENCODE_SERVER_PASSWORD: engine.password,
    MAX_CONCURRENT_TASKS: '20',
    MAX_QUEUED_TASKS: String(AGENTS * TASKS_EACH),
    MCP_PORT: '0',
  });
  const [, url = ''] = await bridge.says(/"url":"(http:[^"]+\/mcp)"/);
  clients = await Promise.all(
    Array.from({ length: AGENTS }, async () => {
      const client = new Client({ name: 'load', version: '0' });
      await client.connect(new StreamableHTTPClientTransport(new URL(url)));
      return client;
    }),
  );
});

afterAll(async () => {
  for (const client of clients) await client.close();
  bridge.child.kill('SIGTERM');
  await bridge.exit;
  await engine.stop();
  await model.close();
  await root.remove();
});

async function call(client: Client, name: string, args: Record<string, unknown>): Promise<unknown> {
  const result = await client.callTool({ name, arguments: args });
  expect(result.isError, JSON.stringify(result.content)).not.toBe(true);
  return result.structuredContent;
}

/** Asks until the task has ended; answers with how it ended. */
async function endOf(client: Client, agent_id: string, task_id: string): Promise<string> {
  for (;;) {
    const asked = await call(client, 'get_task_status', { task_id, agent_id, wait_ms: 20_000 });
    const { status } = taskSchema.parse(asked);
    if (status !== 'queued' && status !== 'running') return status;
  }
}

it('200 tasks of 20 agents at once are all accepted, kept apart, and end', { timeout: 600_000 }, async () => {
  const order = { directory, task_description: `Say it. ${scriptText([{ text: 'Said.' }])}` };
  const orders = clients.flatMap((client, index) =>
    Array.from({ length: TASKS_EACH }, (_, n) => ({
      client,
      agent_id: `agent-${index}`,
      idempotency_key: `${n}`,
    })),
  );
  const accepted = await Promise.all(
    orders.map(async ({ client, ...given }) => {
      const task = await call(client, 'opencode_execute_task', { ...order, ...given });
      return { ...given, client, ...taskSchema.parse(task) };
    }),
  );
  expect(new Set(accepted.map(({ task_id }) => task_id)).size).toBe(AGENTS * TASKS_EACH);
  const ends = await Promise.all(
    accepted.map(({ client, agent_id, task_id }) => endOf(client, agent_id, task_id)),
  );
  expect(new Set(ends)).toEqual(new Set(['completed']));
  for (const [index, client] of clients.entries()) {
    const listed = await call(client, 'list_tasks', { agent_id: `agent-${index}`, limit: 100 });
    const { tasks } = z.object({ tasks: z.array(taskSchema) }).parse(listed);
    const own = accepted.filter(({ agent_id }) => agent_id === `agent-${index}`);
    expect(tasks.map(({ task_id }) => task_id).sort()).toEqual(own.map(({ task_id }) => task_id).sort());
  }
});
