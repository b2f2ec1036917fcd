import { expect, test } from 'vitest';
import { messagesOf, waitFor } from './messages.ts';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

const list = request('tools/list');

test.each(['gone', 'c6a1d8b0-8f0b-4a68-9c41-0a8f2d3b9f11', 'a, b', '', 'ü'])(
  'initialize with the dead session id %j opens a new session',
  async (dead) => {
    await using server = await startServer();
    const id = await beginSession(server.url, { 'mcp-session-id': dead });
    expect(id).not.toBe(dead);
    expect((await post(server.url, list, { 'mcp-session-id': id })).status).toBe(200);
  },
);

test('initialize with a live id opens another session; the first goes on, with its waiting calls', async () => {
  await using server = await startServer();
  const client = await server.client();
  const task = await client.start();
  const first = { 'mcp-session-id': await beginSession(server.url) };
  const waiting = await waitFor(server.url, task, first);
  const second = await beginSession(server.url, first);
  expect(second).not.toBe(first['mcp-session-id']);
  expect((await post(server.url, list, { 'mcp-session-id': second })).status).toBe(200);
  expect((await post(server.url, list, first)).status).toBe(200);
  (await server.bridge.runner.turnOf(task)).complete('done');
  expect(await messagesOf(waiting)).toMatchObject([
    { result: { structuredContent: { status: 'completed' } } },
  ]);
});

test.each(['application/json', 'text/event-stream', '*/*'])(
  'a session that is begun with %s as the only form goes on in it',
  async (accept) => {
    await using server = await startServer();
    const id = await beginSession(server.url, { accept });
    const answer = await post(server.url, list, { accept, 'mcp-session-id': id });
    expect([answer.status, answer.headers.get('mcp-session-id')]).toEqual([200, id]);
    expect(await answer.text()).toContain('get_task_status');
  },
);

test('the id of a session that somebody else began is no way into it', async () => {
  await using server = await startServer({ tokens: [{ token: 'one' }, { token: 'two' }] });
  const id = await beginSession(server.url, { authorization: 'Bearer one' });
  const other = { authorization: 'Bearer two' };
  const own = await beginSession(server.url, { ...other, 'mcp-session-id': id });
  expect(own).not.toBe(id);
  expect((await post(server.url, list, { ...other, 'mcp-session-id': id })).status).toBe(404);
});

test('other methods with a dead id stay 404, also in a batch and as what only looks like initialize', async () => {
  await using server = await startServer();
  const dead = { 'mcp-session-id': 'gone' };
  for (const body of [list, [list], request('initialized'), request('initialize/', {})]) {
    expect((await post(server.url, body, dead)).status, JSON.stringify(body)).toBe(404);
  }
});

test('an initialize that lacks what it needs is told so, with a dead id and without one', async () => {
  await using server = await startServer();
  for (const headers of [{}, { 'mcp-session-id': 'gone' }]) {
    const { status, body } = await answerOf(post(server.url, request('initialize', {}, 'i'), headers));
    const message = expect.stringContaining('protocolVersion');
    expect([status, body]).toMatchObject([400, { id: 'i', error: { code: -32602, message } }]);
  }
});
