import { afterAll, beforeAll, expect, test } from 'vitest';
import { isEnd } from '../../src/tasks/task.ts';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

const JSON_ONLY = { accept: 'application/json' };
const UPDATED = 'notifications/resources/updated';

let server: Awaited<ReturnType<typeof startServer>>;

beforeAll(async () => {
  server = await startServer({ limits: { maxConcurrent: 20 } });
});
afterAll(() => server[Symbol.asyncDispose]());

async function startTask(agent: string): Promise<string> {
  const id = await (await server.client({ 'x-agent-id': agent })).start();
  await server.bridge.runner.turnOf(id);
  return id;
}

async function complete(id: string): Promise<void> {
  (await server.bridge.runner.turnOf(id)).complete('done');
  await server.bridge.until(id, ({ status }) => isEnd(status));
}

/** A session of Ann's, by hand. */
async function session() {
  const id = await beginSession(server.url, { 'x-agent-id': 'ann' });
  const headers = { 'mcp-session-id': id, 'x-agent-id': 'ann', ...JSON_ONLY };
  const call = async (method: string, uri: string) =>
    (await answerOf(post(server.url, request(method, { uri }), headers))).body;
  /** The stream of what belongs to no call; `got` is all that came. */
  const listen = async () => {
    const abort = new AbortController();
    const stream = { ...headers, accept: 'text/event-stream' };
    const response = await fetch(server.url, { headers: stream, signal: abort.signal });
    const got: string[] = [];
    const over = (async () => {
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) got.push(chunk);
    })().catch(() => undefined);
    return {
      updates: () => got.join('').split(UPDATED).length - 1,
      close: async () => {
        abort.abort();
        await over;
      },
    };
  };
  return { id, call, listen };
}

test('what changes while the client has no stream is told when it opens one, each resource once', async () => {
  const task = await startTask('ann');
  const { call, listen } = await session();
  expect(await call('resources/subscribe', `task://${task}`)).toMatchObject({ result: {} });
  expect(await call('resources/subscribe', `task://${task}/result`)).toMatchObject({ result: {} });
  (await server.bridge.runner.turnOf(task)).tool('bash', 'x');
  await complete(task);
  const stream = await listen();
  await expect.poll(stream.updates).toBe(2);
  const another = await startTask('ann');
  await call('resources/subscribe', `task://${another}`);
  await complete(another);
  await expect.poll(stream.updates).toBe(3);
  await stream.close();
});

test('subscribing is refused as reading is; ending what was never begun is no error', async () => {
  const foreign = await startTask('bob');
  const { call } = await session();
  for (const uri of [
    `task://${foreign}`,
    'task://task_none',
    'x:y',
    `task://${foreign}/${'a/'.repeat(50_000)}`,
  ]) {
    expect(await call('resources/subscribe', uri)).toMatchObject({ error: { code: -32_002, data: { uri } } });
    expect(await call('resources/unsubscribe', uri)).toMatchObject({ result: {} });
  }
});

test('a session has a bounded number of subscriptions, and repeating one is no other', async () => {
  const task = await startTask('ann');
  const { call } = await session();
  const uris = Array.from({ length: 100 }, (_, n) => `task://${task}/events?after=${n}`);
  const answers = await Promise.all(uris.map((uri) => call('resources/subscribe', uri)));
  expect(answers).toEqual(uris.map(() => expect.objectContaining({ result: {} })));
  expect(await call('resources/subscribe', `task://${task}/events?after=7`)).toMatchObject({ result: {} });
  expect(await call('resources/subscribe', `task://${task}`)).toMatchObject({
    error: { code: -32_602, message: expect.stringContaining('100 resources are subscribed to') },
  });
  await call('resources/unsubscribe', `task://${task}/events?after=7`);
  expect(await call('resources/subscribe', `task://${task}`)).toMatchObject({ result: {} });
});

test('in a session, the agent that calls have named is the one that reads', async () => {
  const task = await startTask('ann');
  const client = await server.client();
  const { code } = await client.client.readResource('task://task_none').catch((thrown) => thrown);
  expect(code).toBe(-32_002);
  const read = () => client.client.readResource(`task://${task}/result`);
  expect((await read()).contents).toHaveLength(1);
  await client.ok('list_tasks', { agent_id: 'bob' });
  await expect(read()).rejects.toMatchObject({ code: -32_002 });
  expect((await client.client.listResources()).resources.map(({ uri }) => uri)).not.toContain(
    `task://${task}`,
  );
  await client.ok('list_tasks', { agent_id: 'ann' });
  // Of several none is meant, so that the id is enough, and the list has no owner.
  expect((await read()).contents).toHaveLength(1);
  await expect(client.client.listResources()).rejects.toThrow('X-Agent-Id header');
});
