import { PassThrough } from 'node:stream';
import { ReadBuffer, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { expect, test } from 'vitest';
import { serveStdio } from '../../src/mcp/stdio.ts';
import { connectClient, startBridge } from './bridge.ts';

/** The client's end of a pair of streams. */
function over(input: PassThrough, output: PassThrough): Transport {
  const buffer = new ReadBuffer();
  const transport: Transport = {
    async start() {
      output.on('data', (chunk: Buffer) => {
        buffer.append(chunk);
        for (let message = buffer.readMessage(); message; message = buffer.readMessage()) {
          transport.onmessage?.(message);
        }
      });
    },
    async send(message) {
      input.write(serializeMessage(message));
    },
    async close() {
      input.end();
      transport.onclose?.();
    },
  };
  return transport;
}

test('one client is served over a pair of streams, until its end', async () => {
  await using bridge = await startBridge();
  const [input, output] = [new PassThrough(), new PassThrough()];
  const served = serveStdio(bridge.services, bridge.logger, { input, output });
  const client = await connectClient(over(input, output));
  expect((await client.ok('ping')).structured.pong).toBe(true);
  const id = await client.start();
  await bridge.runner.turnOf(id);
  await client.close();
  await served;
  expect(bridge.log.get(id)?.status, 'the task outlives its client').toBe('running');
  expect(input.listenerCount('data')).toBe(0);
});

test('what is no message is ignored', async () => {
  await using bridge = await startBridge();
  const [input, output] = [new PassThrough(), new PassThrough()];
  const served = serveStdio(bridge.services, bridge.logger, { input, output });
  input.write('hello?\n{"jsonrpc":"1.0"}\n');
  const client = await connectClient(over(input, output));
  expect((await client.ok('ping')).structured.pong).toBe(true);
  await client.close();
  await served;
});
