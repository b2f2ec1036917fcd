import { randomBytes } from 'node:crypto';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { InputKeys } from '../../src/mcp/modern/input-keys.ts';
import { roundTripCodec } from '../../src/mcp/modern/round-trip.ts';
import { createModernServer, MODERN_TOOLS } from '../../src/mcp/modern/server.ts';
import { Subscriptions } from '../../src/mcp/modern/subscriptions.ts';
import { isEnd } from '../../src/tasks/task.ts';
import { modernHeaders, modernRequest, send, WITH_FORMS, WITH_TASKS } from './modern.ts';
import { answerOf, startServer } from './server.ts';

const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';

let server: Awaited<ReturnType<typeof startServer>>;
/** Tasks of Ann's that run, and one of Bob's. */
let task: string;
let foreign: string;

beforeAll(async () => {
  server = await startServer({ limits: { maxConcurrent: 20 } });
  task = await startTask('ann');
  foreign = await startTask('bob');
});
afterAll(() => server[Symbol.asyncDispose]());

async function startTask(agent: string): Promise<string> {
  const client = await server.client({ 'x-agent-id': agent });
  const id = await client.start();
  await server.bridge.runner.turnOf(id);
  return id;
}

const messageSchema = z.looseObject({
  method: z.string().optional(),
  params: z.looseObject({ notifications: z.unknown(), uri: z.unknown() }).partial().optional(),
  result: z.unknown().optional(),
});
type Message = z.infer<typeof messageSchema>;

interface Listening {
  capabilities?: object;
  agent?: string;
}

/** An open stream of Ann's; `got` is what came, `over` resolves when it ends. */
async function listen(notifications: object, { capabilities = {}, agent = 'ann' }: Listening = {}) {
  const abort = new AbortController();
  const options = { capabilities, headers: { 'x-agent-id': agent }, signal: abort.signal, id: 'sub' };
  const response = await send(server.url, 'subscriptions/listen', { notifications }, options);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const got: Message[] = [];
  const over = readAll(response, got).catch(() => undefined);
  await expect.poll(() => got.length).toBeGreaterThan(0);
  return { got, over, close: () => abort.abort(), acknowledged: got[0]?.params?.notifications };
}

async function readAll(response: Response, got: Message[]): Promise<void> {
  let rest = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const events = (rest + chunk).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const [, json] = /^data: (.*)$/m.exec(event) ?? [];
      if (json !== undefined) got.push(messageSchema.parse(JSON.parse(json)));
    }
  }
}

test('resources of other agents and unknown ones are not followed, and nothing says which they are', async () => {
  const own = `task://${task}`;
  const uris = [`task://${foreign}`, own, 'task://task_none', `${own}/x`, `task-state:${foreign}`, own];
  const stream = await listen({ resourceSubscriptions: uris, resourcesListChanged: true });
  expect(stream.acknowledged).toEqual({ resourceSubscriptions: [own] });
  const bobs = await listen({ resourceSubscriptions: [`task://${foreign}`] }, { agent: 'bob' });
  (await server.bridge.runner.turnOf(foreign)).tool('bash', 'x');
  (await server.bridge.runner.turnOf(task)).tool('bash', 'x');
  await expect.poll(() => bobs.got.length).toBe(2);
  await expect.poll(() => stream.got.length).toBe(2);
  expect(stream.got[1]).toMatchObject({ params: { uri: own, _meta: { [SUBSCRIPTION]: 'sub' } } });
  bobs.close();
  stream.close();
  await Promise.all([bobs.over, stream.over]);
});

test('where nothing may be followed the stream ends at once', async () => {
  const stream = await listen({ resourceSubscriptions: [`task://${foreign}`] });
  await stream.over;
  expect(stream.acknowledged).toEqual({});
  expect(stream.got.at(-1)).toMatchObject({ id: 'sub', result: { resultType: 'complete' } });
});

test('a task is sent as tasks/get has it: at once, on each change, and at its end', async () => {
  const id = await startTask('ann');
  const own = `task://${task}/result`;
  const asked = { taskIds: [id, foreign, 'task_none'], resourceSubscriptions: [own] };
  const stream = await listen(asked, { capabilities: WITH_FORMS });
  expect(stream.acknowledged).toEqual({ taskIds: [id], resourceSubscriptions: [own] });
  const states = () =>
    stream.got.filter(({ method }) => method === 'notifications/tasks').map(({ params }) => params);
  await expect
    .poll(states)
    .toMatchObject([{ taskId: id, status: 'working', _meta: { [SUBSCRIPTION]: 'sub' } }]);
  const run = await server.bridge.runner.turnOf(id);
  run.ask({ id: 'per_1', type: 'permission' });
  await expect
    .poll(() => states().at(-1))
    .toMatchObject({ status: 'input_required', inputRequests: { per_1: {} } });
  run.complete('done');
  await server.bridge.until(id, ({ status }) => isEnd(status));
  const last = { taskId: id, status: 'completed', result: { resultType: 'complete', structuredContent: {} } };
  await expect.poll(() => states().at(-1)).toMatchObject(last);
  expect(stream.got.filter(({ method }) => method === 'notifications/resources/updated')).toEqual([]);
  stream.close();
  const later = await listen({ taskIds: [id] }, { capabilities: WITH_TASKS });
  await expect.poll(() => later.got[1]?.params).toMatchObject(last);
  later.close();
});

test('wrong requests are refused by the SDK or here, never as a fault', async () => {
  const ask = (notifications: object, capabilities = {}) =>
    answerOf(send(server.url, 'subscriptions/listen', { notifications }, { capabilities }));
  expect(await ask({ taskIds: [task] })).toMatchObject({
    status: 400,
    body: { id: 1, error: { code: -32_021, data: { requiredCapabilities: { extensions: {} } } } },
  });
  // The SDK alone would call that a fault of the server.
  expect(await answerOf(send(server.url, 'completion/complete', { ref: 7 }))).toMatchObject({
    body: { error: { code: -32_602, message: 'Wrong parameters of completion/complete.' } },
  });
  expect(await ask({ taskIds: 'x' }, WITH_TASKS)).toMatchObject({ body: { error: { code: -32_602 } } });
  expect(await ask({ resourceSubscriptions: 'x' })).toMatchObject({ body: { error: { code: -32_602 } } });
  const many = Array.from({ length: 101 }, (_, n) => `task://${task}/events?after=${n}`);
  expect(await ask({ resourceSubscriptions: many })).toMatchObject({
    body: { error: { code: -32_602, message: expect.stringContaining('at most 100') } },
  });
});

test('what never changes any more may be kept, except by who is known by a header', async () => {
  const id = await startTask('ann');
  const read = async (uri: string, headers = {}) => {
    const { body } = await answerOf(
      send(server.url, 'resources/read', { uri }, { headers: { 'mcp-name': uri, ...headers } }),
    );
    return z.object({ result: z.looseObject({}) }).parse(body).result;
  };
  expect(await read(`task://${id}/result`)).toMatchObject({ ttlMs: 0, cacheScope: 'private' });
  (await server.bridge.runner.turnOf(id)).complete('done');
  await server.bridge.until(id, ({ status }) => isEnd(status));
  expect(await read(`task://${id}/result`)).toMatchObject({ ttlMs: 3_600_000, cacheScope: 'private' });
  expect(await read(`task://${id}/events`)).toMatchObject({ ttlMs: 3_600_000 });
  // It changed nothing, so its folder may have no final snapshot.
  expect(await read(`task://${id}/diff`)).toMatchObject({ ttlMs: 0 });
  expect(await read(`task://${id}`)).toMatchObject({ ttlMs: 0 });
  expect(await read(`task://${id}/result`, { 'x-agent-id': 'ann' })).toMatchObject({ ttlMs: 0 });
});

test('a bridge that stops ends streams with their result, and does not wait for them', async () => {
  await using other = await startServer();
  const client = await other.client({ 'x-agent-id': 'ann' });
  const id = await client.start();
  const options = { headers: { 'x-agent-id': 'ann' }, id: 'sub', capabilities: WITH_TASKS };
  const notifications = { resourceSubscriptions: [`task://${id}`], taskIds: [id] };
  const response = await send(other.url, 'subscriptions/listen', { notifications }, options);
  const got: Message[] = [];
  const over = readAll(response, got);
  await expect.poll(() => got.length).toBeGreaterThan(1);
  const began = performance.now();
  await other.http.close();
  await over;
  expect(performance.now() - began).toBeLessThan(2_500);
  expect(got.at(-1)).toEqual({
    jsonrpc: '2.0',
    id: 'sub',
    result: { resultType: 'complete', _meta: { [SUBSCRIPTION]: 'sub' } },
  });
});

test('a caller has a bounded number of streams, and each that closes makes room', async () => {
  const { services, logger } = server.bridge;
  const options = { services, logger, keys: new InputKeys(), ending: new AbortController().signal };
  const subscriptions = new Subscriptions({ ...options, maxOfCaller: 2 });
  const codec = roundTripCodec(randomBytes(32));
  const newServer = () => createModernServer({ ...options, tools: MODERN_TOOLS, codec });
  const handler = createMcpHandler(newServer, { legacy: 'reject', bus: subscriptions.bus });
  const open = (credential: string) => {
    const body = modernRequest('subscriptions/listen', {
      notifications: { resourceSubscriptions: [`task://${task}`] },
    });
    const headers = { ...modernHeaders('subscriptions/listen'), 'content-type': 'application/json' };
    const request = new Request(server.url, { method: 'POST', headers });
    const listener = { body, headers: request.headers, authInfo: undefined, credential };
    return subscriptions.answer(listener, (parsedBody) => handler.fetch(request, { parsedBody }));
  };
  const isStream = ({ headers }: Response) => headers.get('content-type') === 'text/event-stream';
  const first = await open('ann');
  expect([first, await open('ann'), await open('bob')].map(isStream)).toEqual([true, true, true]);
  expect(await answerOf(open('ann'))).toMatchObject({ body: { error: { code: -32_000 } } });
  await first.body?.cancel();
  expect(isStream(await open('ann'))).toBe(true);
  subscriptions.end();
  expect(isStream(await open('ann'))).toBe(true);
  subscriptions.end();
  await handler.close();
});
