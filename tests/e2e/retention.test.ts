import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import { hermeticHome } from '../support/opencode.ts';
import { write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { created } from '../tasks/created.ts';
import { startProgram } from './program.ts';

const OLD = 'task_0old';
const DAY = 24 * 60 * 60 * 1000;
const NEW = `Do it. ${scriptText([write('n.txt', 'one\n'), { text: 'Done.' }])}`;

/** Leaves a task in DATA_DIR that ended 31 days ago. */
async function leaveOldTask(dataDir: string): Promise<string[]> {
  const directory = join(dataDir, 'workspaces', OLD);
  const paths = [directory, join(dataDir, 'snapshots', OLD)];
  const store = new SqliteTaskStore(openDatabase(dataDir));
  store.append(
    OLD,
    [created({ agent_id: 'me', directory }), { kind: 'cancelled', by: 'me' }],
    Date.now() - 31 * DAY,
    'print',
  );
  store.close();
  for (const path of paths) {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'file.txt'), 'old');
  }
  return paths;
}

it('a bridge removes what ended 31 days ago, and keeps what is new', async () => {
  await using root = await tempDir('retention-');
  const model = await startScriptedModel();
  const dataDir = join(root.path, 'bridge');
  const paths = await leaveOldTask(dataDir);
  const bridge = startProgram('serve', {
    ...hermeticHome(root.path, model.url),
    DATA_DIR: dataDir,
    OPENCODE_SERVER_ENABLED: 'true',
    MCP_PORT: '0',
  });
  try {
    const [, url = ''] = await bridge.says(/"url":"(http:[^"]+\/mcp)"/);
    const client = new Client({ name: 'test', version: '0' });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    const answer = (name: string, args: object) =>
      client.callTool({ name, arguments: { agent_id: 'me', ...args } });
    const call = async (name: string, args: object) => (await answer(name, args)).structuredContent;
    const done = await call('opencode_execute_task', { task_description: NEW, sync: true });
    const { task_id } = z.object({ task_id: z.string(), status: z.literal('completed') }).parse(done);
    while (paths.some((path) => existsSync(path))) await sleep(20);
    const { tasks } = z
      .object({ tasks: z.array(z.object({ task_id: z.string() })) })
      .parse(await call('list_tasks', {}));
    expect(tasks.map((task) => task.task_id)).toEqual([task_id]);
    expect(await answer('get_task_status', { task_id: OLD })).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/TASK_NOT_FOUND.*TASK_RETENTION_DAYS/s) }],
    });
    expect(await call('read_task_file', { task_id, file_path: 'n.txt' })).toMatchObject({ content: 'one\n' });
    await client.close();
  } finally {
    bridge.child.kill('SIGTERM');
    expect(await bridge.exit).toBe(0);
    await model.close();
  }
});
