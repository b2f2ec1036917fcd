import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, expect, test } from 'vitest';
import { remoteUpstream } from '../../src/cli/stdio/remote-upstream.ts';
import { createLogger } from '../../src/logger.ts';
import { Relay } from '../../src/mcp/relay.ts';
import { createMcpServer } from '../../src/mcp/server.ts';
import { startServer } from '../http/server.ts';
import { connectClient, startScriptedBridge } from './bridge.ts';

const logger = createLogger('silent');
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const transport of open.splice(0)) await transport.close();
});

/** One end of a connection, with what came in there; messages are written by hand. */
async function end(transport: InMemoryTransport) {
  open.push(transport);
  const got: JSONRPCMessage[] = [];
  transport.onmessage = (message) => void got.push(message);
  await transport.start();
  return { got, say: (message: object) => transport.send({ jsonrpc: '2.0', ...message } as JSONRPCMessage) };
}

/** A relay, the client at its one end and servers, one after the other, at its other. */
async function relayed() {
  const [near, far] = InMemoryTransport.createLinkedPair();
  const relay = new Relay(near, logger);
  await near.start();
  const client = await end(far);
  return { relay, client, far };
}

const initialize = {
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
};

test('requests, answers and notifications pass in both directions, in order, from the first on', async () => {
  const { relay, client } = await relayed();
  await client.say({ id: 1, method: 'a' });
  const [near, far] = InMemoryTransport.createLinkedPair();
  const server = await end(far);
  await relay.connect(near);
  await client.say({ method: 'notifications/cancelled', params: { requestId: 1 } });
  await client.say({ id: 'x', result: {} });
  await expect.poll(() => server.got.length).toBe(3);
  expect(server.got).toMatchObject([
    { id: 1, method: 'a' },
    { params: { requestId: 1 } },
    { id: 'x', result: {} },
  ]);
  await client.say({ id: 2, method: 'b' });
  await server.say({ method: 'notifications/progress', params: { progressToken: 2, progress: 1 } });
  await server.say({ id: 'y', method: 'ping' });
  await expect.poll(() => server.got.length).toBe(4);
  await server.say({ id: 2, result: { done: true } });
  await server.say({ id: 3, result: { nobody: 'asked' } });
  expect(client.got).toMatchObject([
    { method: 'notifications/progress' },
    { id: 'y', method: 'ping' },
    { id: 2, result: { done: true } },
  ]);
});

test('what a lost server left open is answered; the next one gets to know the client and its agent', async () => {
  await using bridge = await startScriptedBridge();
  const { relay, client } = await relayed();
  const [near, far] = InMemoryTransport.createLinkedPair();
  const first = await end(far);
  const { lost } = await relay.connect(near);
  await client.say(initialize);
  await first.say({
    id: 0,
    result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } },
  });
  await client.say({ method: 'notifications/initialized' });
  await client.say({
    id: 1,
    method: 'tools/call',
    params: { name: 'list_tasks', arguments: { agent_id: 'me' } },
  });
  await expect.poll(() => first.got.length).toBe(3);
  await far.close();
  expect(await lost).toBe('the connection was closed');
  await relay.interrupt('gone');
  await client.say({
    id: 2,
    method: 'tools/call',
    params: { name: 'opencode_execute_task', arguments: { task_description: 'x' } },
  });
  const [again, bridgeEnd] = InMemoryTransport.createLinkedPair();
  await createMcpServer(bridge.services, bridge.logger).connect(bridgeEnd);
  open.push(bridgeEnd);
  await relay.connect(again);
  await expect.poll(() => client.got.length).toBe(3);
  expect(client.got).toMatchObject([
    { id: 0, result: {} },
    { id: 1, error: { message: 'gone' } },
    { id: 2, result: { structuredContent: { status: expect.any(String) } } },
  ]);
  expect((await bridge.execution.list({ agentId: 'me', limit: 10 })).tasks).toHaveLength(1);
});

test('what a lost server asked is withdrawn, unless it was answered or withdrawn before', async () => {
  const { relay, client } = await relayed();
  const [near, far] = InMemoryTransport.createLinkedPair();
  const server = await end(far);
  await relay.connect(near);
  for (const id of ['a', 'b', 'c']) await server.say({ id, method: 'elicitation/create', params: {} });
  await client.say({ id: 'a', result: { action: 'cancel' } });
  await server.say({ method: 'notifications/cancelled', params: { requestId: 'b' } });
  await expect.poll(() => [server.got.length, client.got.length]).toEqual([1, 4]);
  await relay.interrupt('gone');
  await relay.interrupt('gone');
  await expect.poll(() => client.got.length).toBe(5);
  expect(client.got.at(-1)).toMatchObject({
    method: 'notifications/cancelled',
    params: { requestId: 'c', reason: 'gone' },
  });
});

test('what the client answers to a lost server goes to no other, which may use the same ids', async () => {
  const { relay, client } = await relayed();
  const [near, far] = InMemoryTransport.createLinkedPair();
  const first = await end(far);
  const { lost } = await relay.connect(near);
  await first.say({ id: 'a', method: 'elicitation/create', params: {} });
  await expect.poll(() => client.got.length).toBe(1);
  await far.close();
  await lost;
  await client.say({ id: 'a', result: { action: 'accept' } });
  await relay.interrupt('gone');
  await client.say({ id: 1, method: 'b' });
  const [again, next] = InMemoryTransport.createLinkedPair();
  const server = await end(next);
  await relay.connect(again);
  await expect.poll(() => server.got.length).toBeGreaterThan(0);
  expect(server.got).toMatchObject([{ id: 1, method: 'b' }]);
  expect(client.got).toHaveLength(1);
});

test('an initialize that a lost server did not answer is answered by the next', async () => {
  const { relay, client } = await relayed();
  const [near, far] = InMemoryTransport.createLinkedPair();
  await end(far);
  await relay.connect(near);
  await client.say(initialize);
  await far.close();
  await relay.interrupt('gone');
  const [again, next] = InMemoryTransport.createLinkedPair();
  const server = await end(next);
  await relay.connect(again);
  await expect.poll(() => server.got).toMatchObject([{ id: 0, method: 'initialize' }]);
  expect(client.got).toEqual([]);
  relay.rejectAll('never');
  expect(client.got).toMatchObject([{ id: 0, error: { message: 'never' } }]);
});

test('a message that the bridge refuses is an error of that call alone', async () => {
  await using server = await startServer({ maxBodyBytes: 2_000, tokens: [{ token: 't', local: true }] });
  const owner = { pid: 1, kind: 'serve' as const, since: '', url: server.http.localUrl };
  expect(remoteUpstream(owner)).toBeUndefined();
  const upstream = remoteUpstream({ ...owner, token: 't' });
  if (!upstream) throw new Error('it can be reached');
  open.push(upstream);
  const { relay, far } = await relayed();
  await relay.connect(upstream.transport);
  const client = await connectClient(far);
  await expect(client.call('ping', { x: 'x'.repeat(3_000) })).rejects.toThrow('MCP_MAX_BODY_BYTES');
  expect((await client.ok('ping')).structured.pong).toBe(true);
});

test('a bridge that does not know the token is lost', async () => {
  await using server = await startServer({ tokens: [{ token: 't', local: true }] });
  const upstream = remoteUpstream({
    pid: 1,
    kind: 'serve',
    since: '',
    url: server.http.localUrl,
    token: 'wrong',
  });
  if (!upstream) throw new Error('it can be reached');
  open.push(upstream);
  const { relay, client } = await relayed();
  const { lost } = await relay.connect(upstream.transport);
  await client.say(initialize);
  expect(await lost).toContain('not known here');
});
