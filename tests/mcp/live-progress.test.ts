import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect, test } from 'vitest';
import { scriptText } from '../../src/cli/demo/scripted-model/script.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { logger, startBridge } from '../support/bridge.ts';
import { sharedEngine } from '../support/shared-engine.ts';
import { bash, slowly } from '../support/steps.ts';
import { connectClient } from './bridge.ts';

test('progress shows what OpenCode writes and prints while a call waits', async () => {
  await using bridge = await startBridge({ on: await sharedEngine(), requests: { policy: 'allow' } });
  const http = await startHttpServer({
    ...{
      host: '127.0.0.1',
      port: 0,
      allowedHosts: [],
      allowedOrigins: [],
      tokens: [],
      maxBodyBytes: 1_000_000,
    },
    services: {
      ...{ execution: bridge.execution, version: '1', mode: 'opencode-server', startedAt: 0 },
      ...{ blockId: () => 'block_1', block: async () => undefined, dependencies: () => [] },
      limits: { maxWaitMs: 50_000, progressEveryMs: 1, keepAliveMs: 10_000 },
    },
    logger,
  });
  const client = await connectClient(new StreamableHTTPClientTransport(new URL(`${http.url}/mcp`)));
  try {
    const lines: (string | undefined)[] = [];
    const command = 'echo first line; sleep 0.3; echo second line; sleep 0.3';
    const steps = [{ ...slowly('Now I write a program. ', 1_000), ...bash(command) }, { text: 'done' }];
    const order = { task_description: `Do ${scriptText(steps)}`, agent_id: 'me', sync: true };
    const { structured } = await client.ok('opencode_execute_task', order, {
      onprogress: ({ message }) => lines.push(message),
      timeout: 60_000,
    });
    expect(structured).toMatchObject({ status: 'completed' });
    const grown = lines.filter((line) => line?.startsWith('Now I'));
    expect(grown.length).toBeGreaterThan(1);
    expect(grown.every((line, n) => line?.startsWith(grown[n - 1] ?? ''))).toBe(true);
    expect(lines).toEqual(expect.arrayContaining(['accepted', 'first line', 'second line']));
  } finally {
    await client.close();
    await http.close();
  }
});
