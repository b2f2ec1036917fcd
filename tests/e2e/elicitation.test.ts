import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { ElicitResult } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { isEnd, TASK_STATUSES } from '../../src/tasks/task.ts';
import { FORM_CLIENTS, type FormClient } from '../mcp/form-client.ts';
import { COMPILE_CACHE, PROGRAM } from '../support/built-program.ts';
import { hermeticEnv } from '../support/opencode.ts';
import { processesOf } from '../support/processes.ts';
import { ask, bash } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { bridgeEnv, type Program, startProgram } from './program.ts';

const statusSchema = z.enum(TASK_STATUSES);
const CONFIG = { permission: { bash: { '*': 'allow', 'touch *': 'ask' } } };

let folder: Awaited<ReturnType<typeof tempDir>>;
let model: ScriptedModel;
let env: Record<string, string>;
let serve: Program;
let url: string;
const clients: FormClient[] = [];

beforeAll(async () => {
  folder = await tempDir('elicitation-');
  model = await startScriptedModel();
  const { OPENCODE_CONFIG_CONTENT = '' } = hermeticEnv(folder.path, model.url, CONFIG);
  env = { ...bridgeEnv(folder.path, model.url), ...COMPILE_CACHE, OPENCODE_CONFIG_CONTENT };
  serve = startProgram('serve', env);
  [, url = ''] = await serve.says(/"url":"(http:[^"]+\/mcp)"/);
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});
afterAll(async () => {
  serve?.child.kill('SIGTERM');
  await serve?.exit;
  await model?.close();
  await vi.waitUntil(async () => (await processesOf(folder.path)).length === 0, { timeout: 60_000 });
  await folder?.remove();
});

const WAYS = [
  ['sdk 1.32', 'HTTP'],
  ['sdk 1.32', 'stdio beside serve'],
  ['client 2, legacy', 'stdio beside serve'],
  ['client 2, auto', 'stdio beside serve'],
  ['client 2, modern', 'HTTP'],
] as const;

test.each(WAYS)('OpenCode asks the person at %s, over %s', async (kind, way) => {
  const messages: string[] = [];
  const person = ({ message }: { message: string }): ElicitResult => {
    messages.push(message);
    if (message.includes('Which?')) return { action: 'accept', content: { q0: 'red' } };
    return { action: 'accept', content: { reply: 'once' } };
  };
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [PROGRAM, 'stdio'],
    env,
    stderr: 'ignore',
  });
  const over = way === 'HTTP' ? {} : { transport };
  const client = await FORM_CLIENTS[kind].connect(url, { person, ...over });
  clients.push(client);
  const steps = [bash('touch made'), ask('Which?', 'red', 'blue'), { text: 'Done.' }];
  const task_description = `Do it. ${scriptText(steps)}`;
  let task = await client.call('opencode_execute_task', { task_description, sync: true });
  // On a slow machine a wait may end before OpenCode asks, or while its form is open: the next one shows it again.
  while (!isEnd(statusSchema.parse(task.status))) {
    task = await client.call('get_task_status', { task_id: task.task_id, wait_ms: 50_000 });
  }
  expect(task).toMatchObject({
    status: 'completed',
    result: { summary: 'Done.', files_changed: [{ path: 'made', change: 'added' }] },
  });
  expect([...new Set(messages)]).toEqual([
    'OpenCode wants to use bash: touch made',
    expect.stringContaining('Which?'),
  ]);
});
