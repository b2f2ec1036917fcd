import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { createOpencodeClient, type OpencodeClient } from '@opencode-ai/sdk/v2/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import type { TaskEvent } from '../../src/tasks/events.ts';
import { isEnd } from '../../src/tasks/task.ts';
import { RestClient } from '../http/rest.ts';
import { CRASHING } from '../support/built-program.ts';
import { type SharedOpenCode, sharedOpenCode } from '../support/shared-engine.ts';
import { bash, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { WarmFolders } from '../support/warm-folders.ts';
import { crashAt } from './crashing.ts';
import { partsOf } from './parts.ts';
import { type Program, startProgram } from './program.ts';

const STEPS = [
  write('n.txt', 'one\n'),
  bash('cat n.txt >> twice.txt; cat n.txt >> twice.txt'),
  { text: 'Done.' },
];
/** Where the folder of the task may not be made yet; elsewhere it is one that OpenCode knows already. */
const IN_ITS_OWN = ['before created', 'after created', 'after started', 'before createSession'];

let engine: SharedOpenCode;
let root: Awaited<ReturnType<typeof tempDir>>;
let folders: Awaited<ReturnType<typeof tempDir>>;
let warm: WarmFolders;
let opencode: OpencodeClient;

beforeAll(async () => {
  root = await tempDir('crash-');
  folders = await tempDir('crash-folders-');
  warm = new WarmFolders(folders.path);
  ({ engine } = await sharedOpenCode());
  const authorization = `Basic ${Buffer.from(`${engine.username}:${engine.password}`).toString('base64')}`;
  opencode = createOpencodeClient({ baseUrl: engine.url, headers: { authorization }, throwOnError: true });
  bridge = await serve();
});

afterAll(async () => {
  if (bridge) await end(bridge.program, 'SIGTERM');
  await folders.remove();
  await root.remove();
});

interface Bridge {
  program: Program;
  client: Client;
  api: RestClient;
}

/** The bridge that did the task of the last case after a crash; it is the one to crash next. */
let bridge: Bridge | undefined;
const running = new Set<Program>();

afterEach(async () => {
  for (const program of running) if (program !== bridge?.program) await end(program, 'SIGKILL');
});

async function end(program: Program, signal: NodeJS.Signals): Promise<void> {
  program.child.kill(signal);
  await program.exit;
  running.delete(program);
}

async function serve(): Promise<Bridge> {
  const variables = {
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    CRASH_FILE: join(root.path, 'crash-at'),
    ALLOWED_DIRECTORIES: folders.path,
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: engine.url,
    OPENCODE_SERVER_PASSWORD: engine.password,
    MCP_PORT: '0',
  };
  const program = startProgram('serve', variables, { entry: CRASHING });
  running.add(program);
  const [, url = ''] = await program.says(/"url":"(http:[^"]+)\/mcp"/);
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`)));
  return { program, client, api: new RestClient(url, { 'x-agent-id': 'me' }) };
}

async function execute({ client }: Bridge, order: Record<string, unknown>) {
  const result = await client.callTool({ name: 'opencode_execute_task', arguments: order });
  return z.object({ task_id: z.string(), status: z.string() }).parse(result.structuredContent);
}

const tasksOf = async ({ api }: Bridge): Promise<string[]> =>
  (await api.get('/tasks?limit=100')).body.tasks.map(({ task_id }: { task_id: string }) => task_id);

/** A bridge dies there, and the next one goes on; what the caller does is the same both times. */
async function crashAndRestart(at: string, order: Record<string, unknown>) {
  const first = bridge ?? (await serve());
  bridge = undefined;
  const before = await tasksOf(first);
  await crashAt(first.program, join(root.path, 'crash-at'), at);
  execute(first, order).catch(() => undefined);
  await first.program.exit;
  running.delete(first.program);
  expect(first.program.child.signalCode, first.program.stderr()).toBe('SIGKILL');
  const second = await serve();
  const { task_id, status } = await execute(second, { ...order, sync: true });
  const added = (await tasksOf(second)).filter((id) => !before.includes(id));
  const task = (await second.api.get(`/tasks/${task_id}`)).body;
  const { events } = (await second.api.get(`/tasks/${task_id}/events?limit=1000`)).body;
  // A case that has taken too long has lost its bridges.
  if (running.has(second.program)) bridge = second;
  return { task_id, status, added, task, events };
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
    const folder = IN_ITS_OWN.includes(at) ? undefined : warm.take();
    const order = {
      task_description: `Do it. ${scriptText(STEPS)}`,
      idempotency_key: at,
      agent_id: 'me',
      ...(folder && { directory: folder.path }),
    };
    const { task_id, status, added, task, events } = await crashAndRestart(at, order);
    folder?.usedWhile(() => false);
    expect(status).toBe('completed');
    expect(added).toEqual([task_id]);
    expect(task).toMatchObject({ status: 'completed', result: { summary: 'Done.', files_changed_total: 2 } });
    expect(events.map(({ seq }: TaskEvent) => seq)).toEqual(
      events.map((_: TaskEvent, index: number) => index + 1),
    );
    expect(events.filter(({ kind }: TaskEvent) => isEnd(kind as never))).toHaveLength(1);
    expect(partsOf(events)).toEqual(PARTS);
    expect(task.usage.output_tokens).toBeGreaterThan(0);
    expect(await readFile(join(task.directory, 'twice.txt'), 'utf8')).toBe('one\none\n');
    const { data: messages } = await opencode.session.messages({ sessionID: task.session_id });
    expect(messages?.filter(({ info }) => info.role === 'user')).toHaveLength(1);
  });
});
