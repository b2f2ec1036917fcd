import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { messagesOf } from './messages.ts';
import { callTool, modernHeaders, modernRequest, send, VERSION } from './modern.ts';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

type Server = Awaited<ReturnType<typeof startServer>>;

const resultSchema = z.object({
  result: z.looseObject({ structuredContent: z.record(z.string(), z.unknown()).optional() }),
});

async function resultOf(response: Response | Promise<Response>) {
  const { body } = await answerOf(response);
  return resultSchema.parse(body).result;
}

async function startTask(server: Server, args: object = {}, headers: Record<string, string> = {}) {
  const called = callTool(
    server.url,
    'opencode_execute_task',
    { task_description: 'x', ...args },
    { headers },
  );
  return z.object({ task_id: z.string() }).parse((await resultOf(called)).structuredContent).task_id;
}

/** Resolves with the signal of the first call that follows a task, with its live text or without. */
function followed({ bridge: { execution } }: Server): Promise<AbortSignal> {
  const { promise, resolve } = Promise.withResolvers<AbortSignal>();
  const follow = execution.follow.bind(execution);
  execution.follow = (task, afterSeq, signal) => {
    resolve(signal);
    return follow(task, afterSeq, signal);
  };
  const followLive = execution.followLive.bind(execution);
  execution.followLive = (task, afterSeq, signal) => {
    resolve(signal);
    return followLive(task, afterSeq, signal);
  };
  return promise;
}

describe('a request without a session', () => {
  test('discovers the server', async () => {
    await using server = await startServer();
    expect(await resultOf(send(server.url, 'server/discover'))).toMatchObject({
      resultType: 'complete',
      supportedVersions: [VERSION],
      capabilities: { tools: {} },
      instructions: expect.stringContaining('opencode_execute_task'),
      cacheScope: 'public',
    });
  });

  test('is prepared for after the start, before anybody asks', async () => {
    await using server = await startServer();
    const { services, logger } = server.bridge;
    // The server object of each request is made with it.
    const version = vi.fn(() => '1.2.3');
    Object.defineProperty(services, 'version', { get: version });
    await expect.poll(() => version.mock.calls.length).toBeGreaterThan(1);
    expect(logger.lines.filter((line) => line.includes('"error"'))).toEqual([]);
  });

  test('lists the same tools as a session, in less than 8 kB', async () => {
    await using server = await startServer();
    const headers = { 'mcp-session-id': await beginSession(server.url), accept: 'application/json' };
    const inSession = await resultOf(post(server.url, request('tools/list'), headers));
    const { tools, ...rest } = await resultOf(send(server.url, 'tools/list'));
    expect(tools).toEqual(inSession.tools);
    expect(Buffer.byteLength(JSON.stringify(tools))).toBeLessThan(8_000);
    expect(rest).toMatchObject({ resultType: 'complete', cacheScope: 'public', ttlMs: 300_000 });
  });

  test('leaves no session, and works beside one', async () => {
    await using server = await startServer();
    const task = await startTask(server);
    expect(server.http.open().sessions).toBe(0);
    const old = await server.client();
    expect((await old.ok('get_task_status', { task_id: task })).structured.status).toBe('running');
  });

  test('is of no agent that an earlier one named', async () => {
    await using server = await startServer();
    const task = await startTask(server, { agent_id: 'one' });
    expect(server.bridge.log.get(task)?.agentId).toBe('one');
    const listed = await resultOf(callTool(server.url, 'list_tasks'));
    expect(listed.structuredContent).toMatchObject({ tasks: [] });
  });
});

describe('errors of the specification', () => {
  const cases: [string, object | undefined, Record<string, string>, number, number][] = [
    ['no headers', modernRequest('tools/list'), {}, 400, -32020],
    ['another method in the header', modernRequest('tools/list'), modernHeaders('ping'), 400, -32020],
    [
      'another tool in the header',
      modernRequest('tools/call', { name: 'ping' }),
      modernHeaders('tools/call', 'health'),
      400,
      -32020,
    ],
    [
      'an unknown revision',
      modernRequest('tools/list', {}, { version: '2031-01-01' }),
      modernHeaders('tools/list', undefined, '2031-01-01'),
      400,
      -32022,
    ],
    ['no envelope', request('tools/list'), modernHeaders('tools/list'), 400, -32602],
    ['an unknown method', modernRequest('tasks/list'), modernHeaders('tasks/list'), 404, -32601],
    ['ping', modernRequest('ping'), modernHeaders('ping'), 404, -32601],
    ['a batch', [modernRequest('tools/list')], modernHeaders('tools/list'), 400, -32600],
    ['no message', { hello: 1 }, modernHeaders('tools/list'), 400, -32600],
    [
      'an unknown tool',
      modernRequest('tools/call', { name: 'rm' }),
      modernHeaders('tools/call', 'rm'),
      200,
      -32602,
    ],
  ];

  test.each(cases)('%s', async (_, message, headers, status, code) => {
    await using server = await startServer();
    const answer = await answerOf(post(server.url, message, headers));
    expect(answer.status).toBe(status);
    const [error] = [answer.body].flat();
    expect(error).toMatchObject({ jsonrpc: '2.0', error: { code, message: expect.any(String) } });
  });

  test('what a form other than JSON or a stream of events asks is 406, and a body that is not JSON 415', async () => {
    await using server = await startServer();
    const html = { headers: { accept: 'text/html' } };
    expect(await answerOf(callTool(server.url, 'ping', {}, html))).toMatchObject({
      status: 406,
      body: { id: 1 },
    });
    const text = { headers: { 'content-type': 'text/plain' } };
    expect((await callTool(server.url, 'ping', {}, text)).status).toBe(415);
  });

  test('an error of a tool is a result, as in a session', async () => {
    await using server = await startServer();
    const result = await resultOf(callTool(server.url, 'get_task_status', { task_id: 'task_none' }));
    expect(result).toMatchObject({
      isError: true,
      resultType: 'complete',
      content: [{ text: expect.stringContaining('TASK_NOT_FOUND') }],
    });
  });
});

describe('guards', () => {
  test('refuse other hosts, pages of others, wrong tokens, large bodies and too many requests', async () => {
    const tokens = [{ token: 'right' }];
    await using server = await startServer({ tokens, maxBodyBytes: 5_000, rateLimit: 4 });
    const status = async (headers: Record<string, string>, args: object = {}) =>
      (await callTool(server.url, 'ping', args, { headers })).status;
    const authorization = 'Bearer right';
    expect(await status({})).toBe(401);
    expect(await status({ authorization: 'Bearer wrong' })).toBe(401);
    expect(await status({ authorization, origin: 'https://evil.example' })).toBe(403);
    expect(await status({ authorization }, { x: 'x'.repeat(10_000) })).toBe(413);
    for (let n = 1; n < 4; n += 1) expect(await status({ authorization })).toBe(200);
    expect(await status({ authorization })).toBe(429);
    expect(server.bridge.log.store.unfinished()).toEqual([]);
  });

  test('let a page of this machine send the headers of the new era', async () => {
    await using server = await startServer();
    const preflight = await fetch(server.url, {
      method: 'OPTIONS',
      headers: { origin: 'http://localhost:5173', 'access-control-request-method': 'POST' },
    });
    const allowed = preflight.headers.get('access-control-allow-headers')?.toLowerCase();
    for (const name of Object.keys(modernHeaders('tools/call', 'ping'))) expect(allowed).toContain(name);
  });

  test('a token that is bound to an agent is that agent, whatever the header says', async () => {
    const tokens = [{ token: 'free' }, { token: 'bound', agentId: 'one' }];
    await using server = await startServer({ tokens });
    const bound = { authorization: 'Bearer bound' };
    expect(server.bridge.log.get(await startTask(server, {}, bound))?.agentId).toBe('one');
    const other = { headers: { ...bound, 'x-agent-id': 'two' } };
    expect(await resultOf(callTool(server.url, 'list_tasks', {}, other))).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('AGENT_MISMATCH') }],
    });
    const free = { authorization: 'Bearer free', 'x-agent-id': 'two' };
    expect(server.bridge.log.get(await startTask(server, {}, free))?.agentId).toBe('two');
  });
});

describe('a waiting call', () => {
  test('whose client is gone waits no longer; its task goes on', async () => {
    await using server = await startServer();
    const task = await startTask(server);
    const abort = new AbortController();
    const args = { task_id: task, wait_ms: 50_000 };
    const began = followed(server);
    const waiting = callTool(server.url, 'get_task_status', args, { signal: abort.signal });
    const cut = expect(waiting).rejects.toThrow();
    const stopped = once(await began, 'abort');
    abort.abort();
    await stopped;
    await cut;
    expect(server.bridge.log.get(task)?.status).toBe('running');
  });

  test('sends progress to a client that asks for it and takes a stream', async () => {
    await using server = await startServer({
      toolLimits: { maxWaitMs: 50_000, progressEveryMs: 1, keepAliveMs: 10_000 },
    });
    const task = await startTask(server);
    const run = await server.bridge.runner.turnOf(task);
    const args = { task_id: task, wait_ms: 50_000 };
    const meta = { progressToken: 'p' };
    const began = followed(server);
    const response = callTool(server.url, 'get_task_status', args, { meta });
    await began;
    run.tool('bash', 'make');
    const stream = await response;
    expect(stream.headers.get('content-type')).toContain('text/event-stream');
    run.complete('made');
    const messages = await messagesOf(stream);
    expect(messages[0]).toMatchObject({
      method: 'notifications/progress',
      params: { progressToken: 'p', message: expect.stringContaining('bash') },
    });
    expect(messages.at(-1)).toMatchObject({ id: 1, result: { structuredContent: { status: 'completed' } } });
  });

  test('answers a client that takes JSON alone with JSON alone', async () => {
    await using server = await startServer({
      toolLimits: { maxWaitMs: 50_000, progressEveryMs: 1, keepAliveMs: 1 },
    });
    const task = await startTask(server);
    const run = await server.bridge.runner.turnOf(task);
    const options = { meta: { progressToken: 'p' }, headers: { accept: 'application/json' } };
    const began = followed(server);
    const called = callTool(server.url, 'get_task_status', { task_id: task, wait_ms: 50_000 }, options);
    await began;
    run.tool('bash', 'make');
    run.complete('made');
    expect((await resultOf(called)).structuredContent).toMatchObject({ status: 'completed' });
  });

  test('answers before the bridge stops, and later calls are refused', async () => {
    await using server = await startServer();
    const task = await startTask(server);
    const began = followed(server);
    const called = callTool(server.url, 'get_task_status', { task_id: task, wait_ms: 50_000 });
    await began;
    await server.http.close();
    expect((await resultOf(called)).structuredContent).toMatchObject({
      status: 'running',
      next: expect.stringContaining('The bridge is stopping'),
    });
    await expect(callTool(server.url, 'ping')).rejects.toThrow();
  });
});
