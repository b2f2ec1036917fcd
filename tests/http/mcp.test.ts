import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

test('two clients at once have sessions of their own', async () => {
  await using server = await startServer();
  const [one, two] = await Promise.all([server.client(), server.client()]);
  const [first, second] = await Promise.all([one.start({ agent_id: 'one' }), two.start({ agent_id: 'two' })]);
  const listed = async (client: typeof one) => (await client.ok('list_tasks')).structured.tasks;
  expect(await listed(one)).toMatchObject([{ task_id: first }]);
  expect(await listed(two)).toMatchObject([{ task_id: second }]);
  await one.close();
  expect((await two.ok('ping')).structured.pong).toBe(true);
});

test('progress flows while a call waits', async () => {
  await using server = await startServer({
    toolLimits: { maxWaitMs: 50_000, progressEveryMs: 1, keepAliveMs: 10_000 },
  });
  const client = await server.client();
  const lines: (string | undefined)[] = [];
  const told = Promise.withResolvers<void>();
  const answer = client.ok(
    'opencode_execute_task',
    { task_description: 'x', sync: true },
    {
      onprogress: ({ message }) => {
        lines.push(message);
        if (message?.startsWith('bash')) told.resolve();
      },
    },
  );
  const [task] = await vi.waitFor(
    () => z.tuple([z.object({ id: z.string() })]).parse(tasksOf(server)),
    20_000,
  );
  const run = await server.bridge.runner.turnOf(task.id);
  run.tool('bash', 'make');
  await told.promise;
  run.complete('made');
  expect((await answer).structured).toMatchObject({ status: 'completed' });
  expect(lines).toContain('accepted');
});

describe('sessions', () => {
  test('a request without a session is 400, with an unknown one 404, as JSON-RPC errors', async () => {
    await using server = await startServer();
    const list = request('tools/list');
    expect(await answerOf(post(server.url, list))).toMatchObject({
      status: 400,
      body: {
        jsonrpc: '2.0',
        id: 1,
        error: { code: -32000, message: expect.stringContaining('Mcp-Session-Id') },
      },
    });
    expect(await answerOf(post(server.url, list, { 'mcp-session-id': 'gone' }))).toMatchObject({
      status: 404,
      body: { error: { code: -32001, message: expect.stringContaining('"gone"') } },
    });
    for (const [method, status] of [
      ['GET', 405],
      ['DELETE', 400],
    ] as const) {
      const headers = { accept: 'text/event-stream' };
      expect((await answerOf(fetch(server.url, { method, headers }))).status).toBe(status);
      const stale = { ...headers, 'mcp-session-id': 'gone' };
      expect((await answerOf(fetch(server.url, { method, headers: stale }))).status).toBe(404);
    }
  });

  test('DELETE ends a session, not its tasks', async () => {
    await using server = await startServer();
    const id = await beginSession(server.url);
    const client = await server.client();
    const task = await client.start();
    const headers = { 'mcp-session-id': id };
    expect((await fetch(server.url, { method: 'DELETE', headers })).status).toBe(200);
    expect((await post(server.url, request('tools/list'), headers)).status).toBe(404);
    expect(server.bridge.log.get(task)?.status).toBe('running');
  });

  test('other methods are 405', async () => {
    await using server = await startServer();
    const response = await fetch(server.url, { method: 'PUT', body: '{}' });
    expect(response.headers.get('allow')).toBe('GET, POST, DELETE');
    expect(await answerOf(response)).toMatchObject({ status: 405, body: { jsonrpc: '2.0' } });
  });

  test('the longest idle one makes room, one with an open stream does not', async () => {
    await using server = await startServer({ sessions: { max: 2, idleMs: 60_000 } });
    const streaming = await beginSession(server.url);
    const abort = new AbortController();
    const stream = await fetch(server.url, {
      headers: { accept: 'text/event-stream', 'mcp-session-id': streaming },
      signal: abort.signal,
    });
    expect(stream.status).toBe(200);
    const idle = await beginSession(server.url);
    const newest = await beginSession(server.url);
    const alive = async (id: string) =>
      (await post(server.url, request('ping'), { 'mcp-session-id': id })).status === 200;
    expect([await alive(streaming), await alive(idle), await alive(newest)]).toEqual([true, false, true]);
    abort.abort();
  });
});

describe('a client that goes away', () => {
  test('no longer waits; its task goes on', async () => {
    await using server = await startServer();
    const follow = vi.spyOn(server.bridge.execution, 'follow');
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    const client = await server.client();
    const task = await client.start();
    const abort = new AbortController();
    const call = request('tools/call', {
      name: 'get_task_status',
      arguments: { task_id: task, wait_ms: 50_000 },
    });
    const response = await post(server.url, call, headers, abort.signal);
    expect(response.status).toBe(200);
    const signal = await vi.waitFor(() => z.instanceof(AbortSignal).parse(follow.mock.calls[0]?.[2]), 60_000);
    const stopped = once(signal, 'abort');
    abort.abort();
    await stopped;
    expect(server.bridge.log.get(task)?.status).toBe('running');
  });

  test('a cancelled call has its stream ended', async () => {
    await using server = await startServer();
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    const client = await server.client();
    const task = await client.start();
    const call = request(
      'tools/call',
      { name: 'get_task_status', arguments: { task_id: task, wait_ms: 50_000 } },
      7,
    );
    const stream = await post(server.url, call, headers);
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } };
    expect((await post(server.url, cancel, headers)).status).toBe(202);
    expect(await stream.text()).toBe('');
    expect(server.bridge.log.get(task)?.status).toBe('running');
  });
});

describe('who calls', () => {
  test('the X-Agent-Id header names the agent of each request', async () => {
    await using server = await startServer();
    const client = await server.client({ 'x-agent-id': 'one' });
    const task = await client.start();
    expect(server.bridge.log.get(task)?.agentId).toBe('one');
    const { error } = await client.call('list_tasks', { agent_id: 'two' });
    expect(error).toMatchObject({
      code: 'AGENT_MISMATCH',
      message: expect.stringMatching(/X-Agent-Id header.*agent_id argument/),
    });
  });

  test('a token bound to an agent is that agent', async () => {
    const tokens = [{ token: 'free' }, { token: 'bound', agentId: 'one' }];
    await using server = await startServer({ tokens });
    const bound = await server.client({ authorization: 'Bearer bound' });
    expect(server.bridge.log.get(await bound.start())?.agentId).toBe('one');
    expect((await bound.call('list_tasks', { agent_id: 'two' })).error?.code).toBe('AGENT_MISMATCH');
    const free = await server.client({ authorization: 'Bearer free' });
    expect(server.bridge.log.get(await free.start({ agent_id: 'two' }))?.agentId).toBe('two');
  });

  test('a session is only for the token that began it', async () => {
    const tokens = [{ token: 'a'.repeat(20) }, { token: 'b'.repeat(20), agentId: 'b' }];
    await using server = await startServer({ tokens });
    const authorization = `Bearer ${'a'.repeat(20)}`;
    const id = await beginSession(server.url, { authorization });
    const as = async (header: string) =>
      (await post(server.url, request('ping'), { 'mcp-session-id': id, authorization: header })).status;
    expect(await as(authorization)).toBe(200);
    expect(await as(`Bearer ${'b'.repeat(20)}`)).toBe(404);
  });
});

describe('bodies', () => {
  test('what is not JSON is a parse error', async () => {
    await using server = await startServer();
    expect(await answerOf(post(server.url, '{"jsonrpc":'))).toMatchObject({
      status: 400,
      body: { jsonrpc: '2.0', id: null, error: { code: -32700 } },
    });
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    expect(await answerOf(post(server.url, { hello: 1 }, headers))).toMatchObject({ status: 400 });
    const text = { ...headers, 'content-type': 'text/plain' };
    expect((await post(server.url, request('ping'), text)).status).toBe(415);
  });

  test('one over the limit is refused by name, and nothing is stored', async () => {
    await using server = await startServer({ maxBodyBytes: 5_000 });
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    const args = { task_description: 'x'.repeat(10_000_000) };
    const call = request('tools/call', { name: 'opencode_execute_task', arguments: args });
    const { status, body } = await answerOf(post(server.url, call, headers));
    expect(status).toBe(413);
    expect(body).toMatchObject({
      jsonrpc: '2.0',
      error: { message: expect.stringMatching(/5000 bytes \(MCP_MAX_BODY_BYTES\).*into a file/) },
    });
    expect(tasksOf(server)).toEqual([]);
    const client = await server.client();
    await expect(client.call('opencode_execute_task', args)).rejects.toThrow('MCP_MAX_BODY_BYTES');
  });
});

test('a port in use is said by name', async () => {
  await using server = await startServer();
  await expect(startServer({ port: server.http.port })).rejects.toThrow(`MCP_PORT ${server.http.port}`);
});

function tasksOf(server: Awaited<ReturnType<typeof startServer>>) {
  return server.bridge.log.store.unfinished();
}
