import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { Sessions } from '../../src/http/sessions.ts';
import { createMcpServer } from '../../src/mcp/server.ts';
import { startBridge } from '../mcp/bridge.ts';
import { beginSession } from './server.ts';

test('sessions without an open stream are closed after their time, others are not', async () => {
  await using bridge = await startBridge();
  let now = 1_000;
  const sessions = new Sessions({ max: 10, idleMs: 500 }, () => now);
  const open = async () => {
    const server = createMcpServer(bridge.services, bridge.logger);
    const session = await sessions.open(server, undefined, 1_000);
    await initialize(session.transport.handleRequest.bind(session.transport));
    return session;
  };
  const [idle, streaming] = [await open(), await open()];
  sessions.streamOpened(streaming);
  now += 499;
  sessions.sweep();
  expect(sessions.size).toBe(2);
  now += 1;
  sessions.sweep();
  expect(sessions.size).toBe(1);
  expect(sessions.find(String(idle.transport.sessionId), undefined)).toBeUndefined();
  sessions.streamClosed(streaming);
  now += 500;
  sessions.sweep();
  expect(sessions.size).toBe(0);
  await sessions.closeAll();
});

/** Has a transport initialized over a real connection. */
async function initialize(
  handle: (req: IncomingMessage, res: ServerResponse) => Promise<void>,
): Promise<void> {
  const server = createServer((req, res) => void handle(req, res)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = z.object({ port: z.number() }).parse(server.address());
  await beginSession(`http://127.0.0.1:${address.port}`);
  server.close();
  await once(server, 'close');
}
