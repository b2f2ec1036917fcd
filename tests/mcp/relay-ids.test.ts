import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import { remoteUpstream } from '../../src/cli/stdio/remote-upstream.ts';
import { createLogger } from '../../src/logger.ts';
import { Relay } from '../../src/mcp/relay.ts';
import { McpSession } from '../../src/mcp/session.ts';
import { cancellation, waitCall } from '../http/messages.ts';
import { startServer } from '../http/server.ts';

const logger = createLogger('silent');
const INITIALIZE = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'always-1', version: '1' },
};

/** A client over stdio that writes its messages by hand, and the relay that serves it. */
async function handWritten() {
  const [near, far] = InMemoryTransport.createLinkedPair();
  const relay = new Relay(near, logger);
  await near.start();
  const got: JSONRPCMessage[] = [];
  far.onmessage = (message) => void got.push(message);
  await far.start();
  const say = (message: object) => far.send({ jsonrpc: '2.0', ...message } as JSONRPCMessage);
  return { relay, got, say };
}

/** The ways from a relay to a bridge: in its own process, and over HTTP to the one that has DATA_DIR. */
const WAYS = {
  'in its own process': async ({ bridge }: Awaited<ReturnType<typeof startServer>>): Promise<Transport> => {
    const [near, far] = InMemoryTransport.createLinkedPair();
    await (await McpSession.open(bridge.services, bridge.logger)).serve(far);
    return near;
  },
  'in another process': async ({ http }: Awaited<ReturnType<typeof startServer>>): Promise<Transport> => {
    const upstream = remoteUpstream({ pid: 1, kind: 'serve', since: '', url: http.localUrl, token: 't' });
    if (!upstream) throw new Error('it can be reached');
    return upstream.transport;
  },
};

describe.each(Object.entries(WAYS))('over stdio, with the bridge %s', (_name, way) => {
  async function started() {
    const server = await startServer({ tokens: [{ token: 't', local: true }] });
    const client = await handWritten();
    const { got, say } = client;
    const transport = await way(server);
    await client.relay.connect(transport);
    await say({ id: 1, method: 'initialize', params: INITIALIZE });
    await expect.poll(() => got.length).toBe(1);
    await say({ method: 'notifications/initialized' });
    const other = await server.client({ authorization: 'Bearer t' });
    return {
      ...client,
      server,
      tasks: [await other.start(), await other.start()] as const,
      end: async (task: string) => (await server.bridge.runner.turnOf(task)).complete('done'),
      async [Symbol.asyncDispose]() {
        await transport.close();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  test('a client that always says id 1 gets every answer', async () => {
    await using t = await started();
    for (const task of t.tasks) await t.say(waitCall(task, 1));
    await t.say({ id: 1, method: 'ping' });
    await expect.poll(() => t.got).toMatchObject([{}, { id: 1, result: {} }]);
    for (const [n, task] of [t.tasks[1], t.tasks[0]].entries()) {
      await t.end(task);
      const answer = { id: 1, result: { structuredContent: { task_id: task, status: 'completed' } } };
      await expect.poll(() => t.got[n + 2]).toMatchObject(answer);
    }
    expect(t.got).toHaveLength(4);
  });

  test('a cancellation that may mean either call takes no answer away; one that means one call does', async () => {
    await using t = await started();
    for (const task of t.tasks) await t.say(waitCall(task, 1));
    await t.say(cancellation(1));
    await t.end(t.tasks[0]);
    await expect
      .poll(() => t.got[1])
      .toMatchObject({ result: { structuredContent: { task_id: t.tasks[0] } } });
    await t.say(cancellation(1));
    await t.say({ id: 1, method: 'ping' });
    await expect.poll(() => t.got[2]).toMatchObject({ id: 1, result: {} });
    await t.end(t.tasks[1]);
    await t.say({ id: 2, method: 'ping' });
    await expect.poll(() => t.got[3]).toMatchObject({ id: 2, result: {} });
    expect(t.got).toHaveLength(4);
  });
});

test('what a lost bridge left open is answered once for each request, under the id that it had', async () => {
  const { relay, got, say } = await handWritten();
  const [near, far] = InMemoryTransport.createLinkedPair();
  const asked: JSONRPCMessage[] = [];
  far.onmessage = (message) => void asked.push(message);
  await relay.connect(near);
  for (const method of ['a', 'b', 'c']) await say({ id: 7, method });
  await expect.poll(() => asked.length).toBe(3);
  expect(new Set(asked.map((message) => 'id' in message && message.id)).size).toBe(3);
  await far.close();
  await relay.interrupt('gone');
  expect(got).toMatchObject(Array(3).fill({ id: 7, error: { message: 'gone' } }));
  await say({ id: 7, method: 'd' });
  await say({ id: 7, method: 'e' });
  relay.rejectAll('never');
  expect(got.slice(3)).toMatchObject(Array(2).fill({ id: 7, error: { message: 'never' } }));
});
