import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { runTask } from '../../src/cli/demo/run-task.ts';

const task = { task_id: 't', status: 'running' };
const ended = {
  ...task,
  status: 'completed',
  result: { summary: 'Done.' },
  usage: { input_tokens: 1, output_tokens: 1, cost_usd: 0 },
};

/** A bridge on a machine so slow that the wait of two calls is over before the task is. */
function slowBridge(): McpServer {
  const server = new McpServer({ name: 'slow', version: '0' });
  const statuses = [task, ended];
  const answers: Record<string, () => Record<string, unknown>> = {
    opencode_execute_task: () => ({ ...task, status: 'queued' }),
    get_task_status: () => statuses.shift() ?? ended,
    get_task_files: () => ({ changes: [] }),
    get_task_history: () => ({ events: [], total: 0 }),
  };
  for (const [name, answer] of Object.entries(answers))
    server.registerTool(name, { inputSchema: z.looseObject({}) }, () => ({
      content: [],
      structuredContent: answer(),
    }));
  return server;
}

it('the demo waits for the end of its task, however slow the machine', async () => {
  const [ofClient, ofServer] = InMemoryTransport.createLinkedPair();
  const server = slowBridge();
  await server.connect(ofServer);
  const client = new Client({ name: 'test', version: '0' });
  await client.connect(ofClient);
  const said: string[] = [];
  try {
    expect(await runTask(client, (line) => said.push(line))).toBe(true);
    expect(said).toContain('Task t: completed');
  } finally {
    await client.close();
  }
});
