import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/cli/demo/scripted-model/server.ts';
import { processesOf } from '../support/processes.ts';
import { bash } from '../support/steps.ts';
import { tempDir } from '../support/temp.ts';
import { bridgeEnv, type Program, startProgram } from './program.ts';

const ORDER = {
  task_description: `Do it. ${scriptText([bash('sleep 63'), { text: 'never said' }])}`,
  idempotency_key: 'k',
  agent_id: 'me',
};
const taskSchema = z.object({
  task_id: z.string(),
  status: z.string(),
  result: z.object({ summary: z.string() }).optional(),
});

let folder: Awaited<ReturnType<typeof tempDir>>;
let model: ScriptedModel;

beforeEach(async () => {
  folder = await tempDir('restart-');
  model = await startScriptedModel();
});

afterEach(async () => {
  await model.close();
  await folder.remove();
});

/** A bridge with an embedded server, and a caller's hand on it. */
async function serve(): Promise<Program & { call(name: string, args: object): Promise<unknown> }> {
  const program = startProgram('serve', bridgeEnv(folder.path, model.url));
  const [, url = ''] = await program.says(/"url":"(http:[^"]+\/mcp)"/);
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const call = async (name: string, args: object): Promise<unknown> =>
    (await client.callTool({ name, arguments: { ...args } })).structuredContent;
  return { ...program, call };
}

const execute = async (bridge: Awaited<ReturnType<typeof serve>>, sync: boolean) =>
  taskSchema.parse(await bridge.call('opencode_execute_task', { ...ORDER, sync }));

it.each(['SIGTERM', 'SIGKILL'] as const)(
  'a task that runs when the bridge and its embedded server end by %s goes on at the next start',
  async (signal) => {
    const first = await serve();
    const { task_id } = await execute(first, false);
    while (!(await processesOf(folder.path)).some(({ command }) => command.includes('sleep 63'))) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const asked = performance.now();
    first.child.kill(signal);
    expect(await first.exit).toBe(signal === 'SIGTERM' ? 0 : null);
    expect(performance.now() - asked).toBeLessThan(10_000);
    const second = await serve();
    try {
      const task = await execute(second, true);
      expect(task).toMatchObject({ task_id, status: 'completed' });
      expect(task.result?.summary).toContain('was restarted in the middle of your work');
      expect((await processesOf(folder.path)).filter(({ command }) => command.includes('sleep 63'))).toEqual(
        [],
      );
    } finally {
      second.child.kill('SIGTERM');
      await second.exit;
    }
    expect(await processesOf(folder.path)).toEqual([]);
  },
);
