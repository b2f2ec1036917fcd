import { PassThrough } from 'node:stream';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { expect, test } from 'vitest';
import { Relay } from '../../src/mcp/relay.ts';
import { createMcpServer } from '../../src/mcp/server.ts';
import { stdioClient } from '../../src/mcp/stdio.ts';
import { type Bridge, connectClient, startScriptedBridge } from './bridge.ts';

/** A pair of streams with the bridge at their other end. */
async function serveStreams(bridge: Bridge) {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const { transport, gone } = stdioClient(bridge.logger, { input, output });
  const [near, far] = InMemoryTransport.createLinkedPair();
  const relay = new Relay(transport, bridge.logger);
  await transport.start();
  await createMcpServer(bridge.services, bridge.logger).connect(far);
  await relay.connect(near);
  return { input, output, transport, gone };
}

test('one client is served over a pair of streams, until its end', async () => {
  await using bridge = await startScriptedBridge();
  const { input, output, transport, gone } = await serveStreams(bridge);
  // Both ends of stdio read and write the same lines.
  const client = await connectClient(new StdioServerTransport(output, input));
  expect((await client.ok('ping')).structured.pong).toBe(true);
  const id = await client.start();
  await bridge.runner.turnOf(id);
  input.end();
  expect(await gone).toBe('end of stdin');
  await transport.close();
  expect(bridge.log.get(id)?.status, 'the task outlives its client').toBe('running');
  expect(input.listenerCount('data')).toBe(0);
});

test('what is no message is ignored', async () => {
  await using bridge = await startScriptedBridge();
  const { input, output } = await serveStreams(bridge);
  input.write('hello?\n{"jsonrpc":"1.0"}\n');
  const client = await connectClient(new StdioServerTransport(output, input));
  expect((await client.ok('ping')).structured.pong).toBe(true);
  await client.close();
});
