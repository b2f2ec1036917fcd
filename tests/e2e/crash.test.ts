import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { createOpencodeClient, type OpencodeClient } from '@opencode-ai/sdk/v2/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { isEnd } from '../../src/tasks/task.ts';
import { type RunningOpenCode, startOpenCode } from '../support/opencode.ts';
import { bash, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { WarmFolders } from '../support/warm-folders.ts';
import { partsOf, readStore } from './parts.ts';
import { type Program, startProgram } from './program.ts';

const CRASHING = join(import.meta.dirname, '../support/crash-entry.ts');
const STEPS = [
  write('n.txt', 'one\n'),
  bash('cat n.txt >> twice.txt; cat n.txt >> twice.txt'),
  { text: 'Done.' },
];
const ORDER = { task_description: `Do it. ${scriptText(STEPS)}`, idempotency_key: 'k', agent_id: 'me' };
/** Where the folder of the task may not be made yet; elsewhere it is one that OpenCode knows already. */
const IN_ITS_OWN = ['before created', 'after created', 'after started', 'before createSession'];

let model: ScriptedModel;
let engine: RunningOpenCode;
let folders: Awaited<ReturnType<typeof tempDir>>;
let warm: WarmFolders;
let opencode: OpencodeClient;

beforeAll(async () => {
  folders = await tempDir('crash-folders-');
  warm = new WarmFolders(folders.path);
  model = await startScriptedModel();
  engine = await startOpenCode({ modelUrl: model.url });
  const authorization = `Basic ${Buffer.from(`${engine.username}:${engine.password}`).toString('base64')}`;
  opencode = createOpencodeClient({ baseUrl: engine.url, headers: { authorization }, throwOnError: true });
});

afterAll(async () => {
  await engine.stop();
  await model.close();
  await folders.remove();
});

async function connect(bridge: Program): Promise<Client> {
  const [, url = ''] = await bridge.says(/"url":"(http:[^"]+\/mcp)"/);
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

async function execute(client: Client, sync: boolean, folder: object) {
  const order = { ...ORDER, ...folder, sync };
  const result = await client.callTool({ name: 'opencode_execute_task', arguments: order });
  return z.object({ task_id: z.string(), status: z.string() }).parse(result.structuredContent);
}

/** The bridge with a place where it dies, then the bridge without; what the caller does is the same both times. */
async function crashAndRestart(at: string, root: string, folder: object) {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: root,
    DATA_DIR: join(root, 'data'),
    ALLOWED_DIRECTORIES: folders.path,
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: engine.url,
    OPENCODE_SERVER_PASSWORD: engine.password,
    MCP_PORT: '0',
  };
  const first = startProgram('serve', { ...env, CRASH_AT: at }, { entry: CRASHING });
  const client = await connect(first);
  execute(client, false, folder).catch(() => undefined);
  await first.exit;
  expect(first.child.signalCode, first.stderr()).toBe('SIGKILL');
  const second = startProgram('serve', env);
  try {
    const again = await connect(second);
    const outcome = await execute(again, true, folder);
    await again.close();
    return outcome;
  } finally {
    second.child.kill('SIGTERM');
    await second.exit;
  }
}

const PARTS = ['write started', 'write finished', 'n.txt', 'bash started', 'bash finished', 'Done.'];

describe('a bridge that is killed goes on after its restart, and sends the prompt once', () => {
  it.each([
    'before created',
    'after created',
    'after started',
    'before createSession',
    'after createSession',
    'before attached',
    'after attached',
    'before prompt',
    'after prompt',
    'before tool-started',
    'after tool-started',
    'after tool-finished',
    'before tool-started#2',
    'before tool-finished#2',
    'before output',
    'after output',
    'before completed',
    'after completed',
  ])('%s', async (at) => {
    await using root = await tempDir('crash-');
    const folder = IN_ITS_OWN.includes(at) ? undefined : warm.take();
    const order = folder ? { directory: folder.path } : {};
    const { task_id, status } = await crashAndRestart(at, root.path, order);
    folder?.usedWhile(() => false);
    expect(status).toBe('completed');
    const { task, events, tasks } = readStore(join(root.path, 'data'), task_id);
    expect(tasks.map(({ id }) => id)).toEqual([task_id]);
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'Done.', files_changed_total: 2 } });
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter(({ kind }) => isEnd(kind as never))).toHaveLength(1);
    expect(partsOf(events)).toEqual(PARTS);
    expect(task.usage.output_tokens).toBeGreaterThan(0);
    expect(await readFile(join(task.directory, 'twice.txt'), 'utf8')).toBe('one\none\n');
    const { data: messages } = await opencode.session.messages({ sessionID: task.sessionId ?? '' });
    expect(messages?.filter(({ info }) => info.role === 'user')).toHaveLength(1);
  });
});
