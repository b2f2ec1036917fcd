import { open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { type SharedOpenCode, sharedOpenCode } from '../support/shared-engine.ts';
import { tempDir } from '../support/temp.ts';
import { type Program, startProgram } from './program.ts';

const taskSchema = z.object({ task_id: z.string(), status: z.string() });
let folder: Awaited<ReturnType<typeof tempDir>>;
let engine: SharedOpenCode;

beforeEach(async () => {
  folder = await tempDir('storage-');
  ({ engine } = await sharedOpenCode());
});
afterEach(async () => {
  await folder.remove();
});

/** A bridge none of whose files can grow beyond so many blocks of 512 bytes, as on a disk that is full. */
function serve(blocks: number | 'unlimited', variables: Record<string, string> = {}): Program {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: folder.path,
    DATA_DIR: join(folder.path, 'data'),
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: engine.url,
    OPENCODE_SERVER_USERNAME: engine.username,
    OPENCODE_SERVER_PASSWORD: engine.password,
    MCP_PORT: '0',
    ...variables,
  };
  return startProgram('serve', env, { prelude: `ulimit -f ${blocks}` });
}

async function connect(program: Program): Promise<Client> {
  const [, url = ''] = await program.says(/"url":"(http:[^"]+\/mcp)"/);
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

it('a full disk ends the bridge with clear words, and no task that it took is lost', async () => {
  const first = serve(8_000);
  const client = await connect(first);
  const order = (n: number) => ({
    name: 'opencode_execute_task',
    arguments: {
      agent_id: 'me',
      idempotency_key: `${n}`,
      task_description: `${'x'.repeat(200_000)} ${scriptText([{ text: `done ${n}` }])}`,
    },
  });
  const accepted: string[] = [];
  for (let n = 0; n < 50; n += 1) {
    const answer = await client.callTool(order(n)).catch(() => ({ isError: true, structuredContent: {} }));
    if (answer.isError) break;
    accepted.push(taskSchema.parse(answer.structuredContent).task_id);
  }
  expect(await first.exit).toBe(3);
  expect(first.stderr()).toMatch(/The database in DATA_DIR ".*" cannot be used: .*(full|disk)/);
  expect(first.stderr()).toContain('Free disk space');
  expect(accepted.length).toBeGreaterThan(2);

  const second = serve('unlimited');
  const again = await connect(second);
  for (const task_id of accepted) {
    const status = { name: 'get_task_status', arguments: { agent_id: 'me', task_id, wait_ms: 50_000 } };
    const { structuredContent } = await again.callTool(status);
    expect(taskSchema.parse(structuredContent)).toMatchObject({ task_id, status: 'completed' });
  }
  second.child.kill('SIGTERM');
  expect(await second.exit).toBe(0);
});

it('on a disk with less room than is asked for, tasks wait and are told why, and /ready says it', async () => {
  const short = serve('unlimited', { DISK_MIN_FREE_MB: '1000000000' });
  const client = await connect(short);
  const order = { task_description: scriptText([{ text: 'done' }]), agent_id: 'me' };
  const { structuredContent } = await client.callTool({ name: 'opencode_execute_task', arguments: order });
  const { task_id, status } = taskSchema.parse(structuredContent);
  expect(status).toBe('queued');
  const [, url = ''] = await short.says(/"url":"(http:[^"]+)\/mcp"/);
  const ready = await fetch(`${url}/ready`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({
    dependencies: expect.arrayContaining([
      {
        name: 'disk',
        status: 'down',
        detail: expect.stringMatching(/^Only \d+ MB are free in WORKSPACE_DIR/),
      },
      expect.objectContaining({ name: 'workspace', status: 'ok', last_ok_at: expect.any(String) }),
      expect.objectContaining({ name: 'database', status: 'ok', last_ok_at: expect.any(String) }),
    ]),
  });
  expect((await fetch(`${url}/health`)).status).toBe(200);
  short.child.kill('SIGTERM');
  expect(await short.exit).toBe(0);

  const second = serve('unlimited');
  const again = await connect(second);
  const wait = { agent_id: 'me', task_id, wait_ms: 50_000 };
  const ended = await again.callTool({ name: 'get_task_status', arguments: wait });
  expect(taskSchema.parse(ended.structuredContent).status).toBe('completed');
  second.child.kill('SIGTERM');
  expect(await second.exit).toBe(0);
});

it.each([
  [
    'is none',
    async (path: string) => writeFile(path, 'this is no database, but it is long enough'.repeat(100)),
  ],
  [
    'is corrupt',
    async (path: string) => {
      openDatabase(dirname(path)).close();
      const file = await open(path, 'r+');
      await file.write(Buffer.alloc(40_000, 0xff), 0, 40_000, 4_096);
      await file.close();
    },
  ],
])('a database that %s is refused with exit code 3', async (_name, spoil) => {
  await spoil(join(folder.path, 'bridge.db'));
  const program = startProgram('serve', {
    PATH: process.env.PATH ?? '',
    HOME: folder.path,
    DATA_DIR: folder.path,
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: engine.url,
    MCP_PORT: '0',
  });
  expect(await program.exit).toBe(3);
  expect(program.stderr()).toContain(`The database in DATA_DIR "${folder.path}" cannot be used`);
});
