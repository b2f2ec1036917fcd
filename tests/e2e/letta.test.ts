import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { workspaceBlockSchema } from '../../src/memory/block.ts';
import { until } from '../notifications/delivering.ts';
import { startLetta } from '../support/letta.ts';
import { sharedOpenCode } from '../support/shared-engine.ts';
import { bash, write } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { type Program, startProgram } from './program.ts';

const STEPS = [write('n.txt', 'one\n'), bash('until [ -e go ]; do sleep 0.1; done'), { text: 'Done.' }];
const health = z.object({
  status: z.string(),
  dependencies: z.array(z.object({ name: z.string(), status: z.string(), detail: z.string() })),
});

async function connect(bridge: Program) {
  const [, url = ''] = await bridge.says(/"url":"(http:[^"]+\/mcp)"/);
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const call = async (name: string, args: object) =>
    (await client.callTool({ name, arguments: { ...args } })).structuredContent;
  const letta = async () => {
    const { dependencies } = health.parse(await (await fetch(new URL('/health', url))).json());
    return dependencies.find(({ name }) => name === 'letta');
  };
  const ready = async () => (await fetch(new URL('/ready', url))).status;
  return { call, letta, ready, close: () => client.close() };
}

it('a task that outlives its bridge and Letta is told once, in one block that goes away', async () => {
  await using root = await tempDir('letta-');
  await using letta = await startLetta('s3cret');
  const agent_id = letta.addAgent();
  const { engine } = await sharedOpenCode();
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: root.path,
    DATA_DIR: join(root.path, 'data'),
    OPENCODE_SERVER_ENABLED: 'true',
    OPENCODE_SERVER_URL: engine.url,
    OPENCODE_SERVER_PASSWORD: engine.password,
    MCP_PORT: '0',
    LETTA_API_URL: letta.url,
    LETTA_API_TOKEN: 's3cret',
    WORKSPACE_DETACH_DELAY_MS: '3000',
  };
  let bridge = startProgram('serve', env);
  try {
    const first = await connect(bridge);
    const order = { agent_id, task_description: `Do it. ${scriptText(STEPS)}` };
    const { task_id } = z
      .object({ task_id: z.string() })
      .parse(await first.call('opencode_execute_task', order));
    const values = () => letta.values.get(`opencode_workspace_${task_id}`) ?? [];
    const block = () => workspaceBlockSchema.parse(JSON.parse(values().at(-1) ?? '{}'));
    await until(() => values().length > 0 && block().events.some(({ message }) => /^write/.test(message)));
    bridge.child.kill('SIGKILL');
    await bridge.exit;
    await letta.stop();

    bridge = startProgram('serve', env);
    const second = await connect(bridge);
    const directory = join(root.path, 'data', 'workspaces', task_id);
    await writeFile(join(directory, 'go'), '');
    const waiting = { agent_id, task_id, wait_ms: 50_000 };
    let status: unknown;
    while (status !== 'completed') {
      ({ status } = z.object({ status: z.string() }).parse(await second.call('get_task_status', waiting)));
    }
    await bridge.says(/"sink":"letta".*a delivery failed/);
    expect(await second.letta()).toMatchObject({
      status: 'degraded',
      detail: expect.stringMatching(
        /^\d+ event\(s\) of 1 task\(s\) behind, by \d+ s; 1 failing, last error: Letta: /,
      ),
    });
    expect(await second.ready()).toBe(200);

    await letta.start();
    await until(() => letta.messagesOf(agent_id).length > 0);
    expect(letta.blocksOf(agent_id)).toHaveLength(1);
    await until(() => letta.blocks.size === 0);
    expect(letta.blocksOf(agent_id)).toEqual([]);
    expect(letta.requests.filter((request) => request === 'POST /v1/blocks/')).toHaveLength(1);
    expect(block()).toMatchObject({
      status: 'completed',
      artifacts: expect.arrayContaining([{ type: 'file', path: 'n.txt', change: 'added' }]),
      metadata: { summary: 'Done.' },
    });
    expect(block().events.map(({ message }) => message)).toEqual([
      'Started.',
      'write: n.txt (ok)',
      expect.stringMatching(/^Warning BRIDGE_RESTARTED: /),
      'bash: until [ -e go ]; do sleep 0.1; done (ok)',
      'Done.',
      'Done.',
    ]);
    expect(letta.messagesOf(agent_id).map(({ content }) => content)).toEqual([
      expect.stringMatching(new RegExp(`^OpenCode task ${task_id} has ended: completed, .*> Done\\.`, 's')),
    ]);
    await until(() => /deliveries succeed again/.test(bridge.stderr()));
    expect(await second.letta()).toEqual({ name: 'letta', status: 'ok', detail: 'up to date' });
    expect(bridge.stderr()).not.toContain('s3cret');
    await second.close();
  } finally {
    bridge.child.kill('SIGTERM');
    await bridge.exit;
  }
});
