import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client, InMemoryTransport as ClientTransport } from '@modelcontextprotocol/client';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { createLogger } from '../../src/logger.ts';
import { Relay } from '../../src/mcp/relay.ts';
import { modernRequest } from '../http/modern.ts';
import { startServer } from '../http/server.ts';

const TOKEN = 'of-the-lock';
const logger = createLogger('silent');
const closes: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closes.splice(0)) await close();
});

/** A relay between a client and bridges, which come and go; `got` is what the client received. */
async function relayed() {
  const [near, far] = InMemoryTransport.createLinkedPair();
  const relay = new Relay(near, logger);
  await near.start();
  const got: JSONRPCMessage[] = [];
  far.onmessage = (message) => void got.push(message);
  await far.start();
  closes.push(() => far.close());
  const join = async (url: string) => {
    const [session] = InMemoryTransport.createLinkedPair();
    return relay.connect(session, { url, token: TOKEN });
  };
  const say = (message: object) => far.send(message as JSONRPCMessage);
  return { relay, far, got, say, join };
}

const bridge = () => startServer({ tokens: [{ token: TOKEN }] });
const call = (id: number | string, name: string, args: object = {}, meta: object = {}) =>
  modernRequest('tools/call', { name, arguments: args }, { id, meta });
const answers = (got: JSONRPCMessage[]) => got.filter((message) => 'id' in message);

async function startTask({ got, say }: Awaited<ReturnType<typeof relayed>>): Promise<string> {
  await say(call('start', 'opencode_execute_task', { task_description: 'x' }));
  const started = () => got.find((message) => 'id' in message && message.id === 'start');
  await expect.poll(started).toBeDefined();
  const { result } = z
    .object({ result: z.object({ structuredContent: z.object({ task_id: z.string() }) }) })
    .parse(started());
  return result.structuredContent.task_id;
}

test('a real client of 2026-07-28 works over a pipe, and leaves no session', async () => {
  await using server = await bridge();
  const { far, join } = await relayed();
  await join(server.url);
  const [near, client] = ClientTransport.createLinkedPair();
  near.onmessage = (message) => void far.send(message as JSONRPCMessage);
  far.onmessage = (message) => void near.send(message as Parameters<typeof near.send>[0]);
  await near.start();
  const modern = new Client(
    { name: 'c', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  await modern.connect(client);
  expect((await modern.listTools()).tools.map(({ name }) => name)).toContain('opencode_execute_task');
  expect(await modern.callTool({ name: 'ping', arguments: {} })).toMatchObject({
    structuredContent: { pong: true },
  });
  expect(server.http.open().sessions).toBe(0);
  await modern.close();
});

test('what comes before there is a bridge waits; names that no header can carry reach it', async () => {
  await using server = await bridge();
  const { got, say, join } = await relayed();
  await say(modernRequest('server/discover', {}, { id: 'd' }));
  await say(call(2, 'naïve\r\ntool'));
  await join(server.url);
  await expect.poll(() => answers(got).length).toBe(2);
  expect(got).toContainEqual(expect.objectContaining({ id: 'd', result: expect.anything() }));
  expect(got).toContainEqual(
    expect.objectContaining({ id: 2, error: expect.objectContaining({ code: -32602 }) }),
  );
});

test('progress passes; a cancelled call ends at the bridge and has no answer', async () => {
  await using server = await startServer({
    tokens: [{ token: TOKEN }],
    toolLimits: { maxWaitMs: 50_000, progressEveryMs: 1, keepAliveMs: 5 },
  });
  const pipe = await relayed();
  const { got, say, join } = pipe;
  await join(server.url);
  const task = await startTask(pipe);
  await say(call(5, 'get_task_status', { task_id: task, wait_ms: 50_000 }, { progressToken: 'p' }));
  const progress = () =>
    got.some((message) => 'method' in message && message.method === 'notifications/progress');
  await expect.poll(progress).toBe(true);
  const ended = Promise.withResolvers<void>();
  const { onToolCall } = server.bridge.services;
  server.bridge.services.onToolCall = (...args) => {
    onToolCall?.(...args);
    ended.resolve();
  };
  await say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5 } });
  await ended.promise;
  await say(call(6, 'ping'));
  await expect.poll(() => answers(got).at(-1)).toMatchObject({ id: 6 });
  expect(answers(got).map((message) => 'id' in message && message.id)).toEqual(['start', 6]);
  expect(server.bridge.log.get(task)?.status).toBe('running');
});

test('a lost bridge: a call is refused, what only reads goes to the next one', async () => {
  const { got, say, join, relay } = await relayed();
  const requests: string[] = [];
  const seen = Promise.withResolvers<void>();
  const dying = createServer((req) => {
    requests.push(String(req.headers['mcp-method']));
    if (requests.length === 2) seen.resolve();
  });
  await new Promise<void>((resolve) => dying.listen(0, '127.0.0.1', resolve));
  const { port } = dying.address() as AddressInfo;
  const { lost } = await join(`http://127.0.0.1:${port}/mcp`);
  await say(call(1, 'opencode_execute_task', { task_description: 'x' }));
  await say(modernRequest('tools/list', {}, { id: 2 }));
  await seen.promise;
  dying.closeAllConnections();
  await new Promise((resolve) => dying.close(resolve));
  relay.interrupt(`gone: ${await lost}`);
  await expect.poll(() => answers(got)).toMatchObject([{ id: 1, error: { code: -32000 } }]);
  await using server = await bridge();
  await join(server.url);
  await expect.poll(() => answers(got).length).toBe(2);
  expect(answers(got)[1]).toMatchObject({ id: 2, result: { tools: expect.any(Array) } });
});

test('a bridge that is not there, or does not know the token, did nothing: the call goes to the next one', async () => {
  await using other = await startServer({ tokens: [{ token: 'of-another-lock' }] });
  await using server = await bridge();
  const gone = await bridge();
  await gone[Symbol.asyncDispose]();
  const { got, say, join, relay } = await relayed();
  for (const url of [other.url, gone.url]) {
    const { lost } = await join(url);
    await say(call(url, 'ping'));
    relay.interrupt(await lost);
  }
  expect(got).toEqual([]);
  await join(server.url);
  await expect.poll(() => answers(got).length).toBe(2);
  for (const answer of answers(got)) expect(answer).toHaveProperty('result');
});

test('at the end everything is refused, open and waiting', async () => {
  await using server = await bridge();
  const pipe = await relayed();
  await pipe.say(call(1, 'ping'));
  pipe.relay.rejectAll('no bridge');
  expect(pipe.got).toMatchObject([{ id: 1, error: { message: 'no bridge' } }]);
  await pipe.join(server.url);
  const task = await startTask(pipe);
  await pipe.say(call(2, 'get_task_status', { task_id: task, wait_ms: 50_000 }));
  pipe.relay.rejectAll('the end');
  expect(pipe.got.at(-1)).toMatchObject({ id: 2, error: { message: 'the end' } });
});
