import { expect, test } from 'vitest';
import { cancellation, messagesOf, waitCall, waitFor, within } from './messages.ts';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

const FAST = { maxWaitMs: 50_000, progressEveryMs: 1, keepAliveMs: 10_000 };
const ended = (id: string, status = 'completed') => ({
  result: { structuredContent: { task_id: id, status } },
});

/** A server, a session of it by hand, and tasks that run until the test ends them. */
async function started() {
  const server = await startServer({ toolLimits: FAST });
  const headers = { 'mcp-session-id': await beginSession(server.url) };
  const client = await server.client();
  const tasks = [await client.start(), await client.start()] as const;
  const end = async (task: string) => (await server.bridge.runner.turnOf(task)).complete('done');
  return { server, url: server.url, headers, tasks, end, [Symbol.asyncDispose]: server[Symbol.asyncDispose] };
}

test('calls of one session with the same id each get their own answer, whichever is done first', async () => {
  await using t = await started();
  const [first, second] = t.tasks;
  const waiting = [
    await waitFor(t.url, first, t.headers, 1),
    await waitFor(t.url, second, t.headers, 1),
    await waitFor(t.url, first, t.headers, 1),
  ];
  expect(await messagesOf(post(t.url, request('ping', {}, 1), t.headers))).toEqual([
    { jsonrpc: '2.0', id: 1, result: {} },
  ]);
  await t.end(second);
  expect(await messagesOf(waiting[1] as Response)).toMatchObject([{ id: 1, ...ended(second) }]);
  await t.end(first);
  expect(await messagesOf(waiting[0] as Response)).toMatchObject([{ id: 1, ...ended(first) }]);
  expect(await messagesOf(waiting[2] as Response)).toMatchObject([{ id: 1, ...ended(first) }]);
});

test('a hundred calls at once with one id', async () => {
  await using t = await started();
  const calls = Array.from({ length: 100 }, (_, n) =>
    messagesOf(
      post(
        t.url,
        request('tools/call', { name: 'get_task_status', arguments: { task_id: `t${n}` } }),
        t.headers,
      ),
    ),
  );
  const answers = await Promise.all(calls);
  for (const [n, answer] of answers.entries()) {
    expect(answer).toHaveLength(1);
    expect(JSON.stringify(answer)).toContain(`t${n}\\"`);
  }
});

test('progress under one token goes to the call that it is about', async () => {
  await using t = await started();
  const [first, second] = t.tasks;
  const meta = { _meta: { progressToken: 'p' } };
  const waiting = await Promise.all(t.tasks.map((task) => post(t.url, waitCall(task, 'x', meta), t.headers)));
  (await t.server.bridge.runner.turnOf(first)).tool('bash', 'of the first');
  (await t.server.bridge.runner.turnOf(second)).tool('bash', 'of the second');
  await t.end(first);
  await t.end(second);
  const [one, two] = (await Promise.all(waiting.map(messagesOf))).map((it) => JSON.stringify(it));
  expect([one?.includes('of the first'), one?.includes('of the second')]).toEqual([true, false]);
  expect([two?.includes('of the first'), two?.includes('of the second')]).toEqual([false, true]);
});

test('1 and "1" are two ids, and 0 is one; each can be cancelled', async () => {
  await using t = await started();
  const [first] = t.tasks;
  for (const id of [1, 0]) {
    const number = await waitFor(t.url, first, t.headers, id);
    const text = await post(t.url, waitCall(first, String(id)), t.headers);
    expect((await post(t.url, cancellation(id), t.headers)).status).toBe(202);
    expect(await number.text(), `${id} is cancelled`).toBe('');
    expect((await post(t.url, cancellation(String(id)), t.headers)).status).toBe(202);
    expect(await text.text(), `"${id}" is cancelled`).toBe('');
  }
});

test('a cancellation that may mean either of two calls takes no answer away', async () => {
  await using t = await started();
  const waiting = [
    await waitFor(t.url, t.tasks[0], t.headers, 1),
    await waitFor(t.url, t.tasks[1], t.headers, 1),
  ];
  expect((await post(t.url, cancellation(1), t.headers)).status).toBe(202);
  for (const task of t.tasks) await t.end(task);
  const answers = await Promise.all(waiting.map(messagesOf));
  expect(answers).toMatchObject(t.tasks.map((task) => [{ id: 1, ...ended(task) }]));
});

test('where one of two calls with an id is over or its client gone, the id means the other', async () => {
  await using t = await started();
  const abort = new AbortController();
  const gone = await post(t.url, waitCall(t.tasks[0], 1), t.headers, abort.signal);
  const waiting = await waitFor(t.url, t.tasks[1], t.headers, 1);
  abort.abort();
  await gone.text().catch(() => undefined);
  const text = waiting.text();
  await expect.poll(async () => (await post(t.url, cancellation(1), t.headers)) && within(50, text)).toBe('');
});

test('one batch may not use an id twice: it is refused as a whole, and nothing is done', async () => {
  await using server = await startServer();
  const headers = { 'mcp-session-id': await beginSession(server.url) };
  const start = { name: 'opencode_execute_task', arguments: { task_description: 'x' } };
  const batch = [request('tools/call', start, 7), request('ping', {}, 8), request('ping', {}, 7)];
  const { status, body } = await answerOf(post(server.url, batch, headers));
  const error = { code: -32600, message: expect.stringMatching(/id 7.*id of its own/) };
  expect([status, body]).toMatchObject([
    400,
    [
      { id: 7, error },
      { id: 8, error },
      { id: 7, error },
    ],
  ]);
  expect(server.bridge.log.store.countByStatus()).toEqual({});
});

test('a batch in which one call is cancelled ends with the others', async () => {
  await using t = await started();
  const [first, second] = t.tasks;
  const stream = await post(t.url, [waitCall(first, 1), waitCall(second, 2)], t.headers);
  expect((await post(t.url, cancellation(1), t.headers)).status).toBe(202);
  await t.end(second);
  expect(await messagesOf(stream)).toMatchObject([{ id: 2, ...ended(second) }]);
});
