import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, expect, test } from 'vitest';
import { remoteUpstream } from '../../src/cli/stdio/remote-upstream.ts';
import { createLogger } from '../../src/logger.ts';
import { Relay } from '../../src/mcp/relay.ts';
import { isEnd } from '../../src/tasks/task.ts';
import { modernRequest, WITH_TASKS } from '../http/modern.ts';
import { startServer } from '../http/server.ts';
import { connectClient } from './bridge.ts';

const logger = createLogger('silent');
const closes: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closes.splice(0)) await close();
});

type Server = Awaited<ReturnType<typeof startServer>>;

/** A relay, as `stdio` has it; `join` connects it to a bridge. */
async function relayed() {
  const [near, far] = InMemoryTransport.createLinkedPair();
  const relay = new Relay(near, logger);
  await near.start();
  closes.push(() => far.close());
  const join = async ({ http }: Server) => {
    const info = { pid: 1, kind: 'serve' as const, since: '', url: http.localUrl, token: 't' };
    const upstream = remoteUpstream(info);
    if (!upstream) throw new Error('it cannot be reached');
    closes.push(() => upstream.close());
    return relay.connect(upstream.transport, upstream.modern);
  };
  return { relay, far, join };
}

const bridge = () => startServer({ tokens: [{ token: 't', local: true }] });

async function complete({ bridge: { runner, until } }: Server, id: string): Promise<void> {
  (await runner.turnOf(id)).complete('done');
  await until(id, ({ status }) => isEnd(status));
}

test('resources, prompts and completion pass; a subscription outlives the bridge', async () => {
  await using server = await bridge();
  const { relay, far, join } = await relayed();
  const { lost } = await join(server);
  const { client, start } = await connectClient(far).then((it) => ({
    client: it.client,
    start: () => it.start(),
  }));
  const id = await start();
  expect((await client.listResources()).resources.map(({ uri }) => uri)).toEqual([`task://${id}`]);
  expect((await client.listPrompts()).prompts).toHaveLength(3);
  const argument = { name: 'id', value: '' };
  expect(await client.complete({ ref: { type: 'ref/resource', uri: 'task://{id}' }, argument })).toEqual([
    id,
  ]);
  const updates: string[] = [];
  await client.subscribe(`task://${id}/result`, (uri) => updates.push(uri));
  await server.restart();
  await lost;
  await relay.interrupt('gone');
  await join(server);
  await complete(server, id);
  await expect.poll(() => updates).toContain(`task://${id}/result`);
});

test('a stream of 2026-07-28 passes with what comes on it, and ends when it is cancelled', async () => {
  await using server = await bridge();
  const { far, join } = await relayed();
  const got: JSONRPCMessage[] = [];
  far.onmessage = (message) => void got.push(message);
  await far.start();
  await join(server);
  const say = (message: object) => far.send(message as JSONRPCMessage);
  const task = { name: 'opencode_execute_task', arguments: { task_description: 'x' } };
  await say(modernRequest('tools/call', task, { id: 'start' }));
  await expect.poll(() => got.length).toBe(1);
  const [id = ''] = /task_[0-9a-z]+/.exec(JSON.stringify(got)) ?? [];
  const notifications = { resourceSubscriptions: [`task://${id}`], taskIds: [id] };
  await say(
    modernRequest('subscriptions/listen', { notifications }, { id: 'sub', capabilities: WITH_TASKS }),
  );
  await complete(server, id);
  const of = (method: string) => got.filter((message) => 'method' in message && message.method === method);
  await expect.poll(() => of('notifications/subscriptions/acknowledged').length).toBe(1);
  await expect
    .poll(() => of('notifications/resources/updated').at(-1))
    .toMatchObject({ params: { uri: `task://${id}` } });
  await expect
    .poll(() => of('notifications/tasks').at(-1))
    .toMatchObject({ params: { status: 'completed' } });
  await say(modernRequest('resources/read', { uri: `task://${id}/result` }, { id: 'read' }));
  await expect
    .poll(() => got.find((message) => 'id' in message && message.id === 'read'))
    .toMatchObject({
      result: { contents: [{ uri: `task://${id}/result` }] },
    });
  await say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'sub' } });
  await say(modernRequest('tools/call', { name: 'ping', arguments: {} }, { id: 'ping' }));
  await expect.poll(() => got.at(-1)).toMatchObject({ id: 'ping' });
});
