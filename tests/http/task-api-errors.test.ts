import { describe, expect, test } from 'vitest';
import { say, statusOf, wire } from './raw.ts';
import { RestClient, startApi } from './rest.ts';

const PROBLEM = 'application/problem+json; charset=utf-8';

describe('a request that cannot be done is told why, and what to do', () => {
  test.each([
    ['POST', '/tasks/execute', {}, 400, /`task_description` is missing/],
    ['POST', '/tasks/execute', { task_description: ' ' }, 400, /`task_description` is empty/],
    ['POST', '/tasks/execute', { task_description: 'x', code: 'y' }, 400, /together with `code`/],
    ['POST', '/tasks/execute', { task_description: 'x', timeoutms: 5 }, 400, /Did you mean `timeout_ms`/],
    ['POST', '/tasks/execute', { task_description: 5 }, 400, /`task_description` 5 is not a string/],
    ['POST', '/tasks/execute', '[1]', 400, /The body \[1\] is not a JSON object/],
    ['POST', '/tasks/execute', '{"task', 400, /not valid JSON/],
    ['POST', '/tasks/execute', { task_description: 'x'.repeat(20_000) }, 413, /20000 characters/],
    ['POST', '/tasks/execute', { task_description: 'x', continue_task_id: 'task_0' }, 404, /task_0/],
    ['GET', '/tasks?limit=0', undefined, 400, /`limit` 0 is less than 1/],
    ['GET', '/tasks?limit=1&limit=2', undefined, 400, /`limit` \["1","2"\] is not/],
    ['GET', '/tasks?cursor=x', undefined, 400, /not a cursor of this list/],
    ['GET', '/tasks?status=done', undefined, 400, /is not one of queued, running/],
    ['GET', '/tasks?agent_id=a&agent_id=b', undefined, 400, /`agent_id` \["a","b"\] is not a string/],
    ['GET', '/tasks/task_0', undefined, 404, /task_0/],
    ['GET', '/tasks/task_0/status', undefined, 404, /task_0/],
    ['GET', '/tasks/task_0/events', undefined, 404, /task_0/],
    ['GET', '/tasks/%ff', undefined, 400, /not a valid URL path/],
    ['GET', '/tasks/task_0/nothing', undefined, 404, /GET "\/tasks\/task_0\/nothing" is not served/],
    ['POST', '/tasks/task_0/cancel', undefined, 404, /task_0/],
    ['POST', '/tasks/task_0/messages', {}, 400, /`message` is missing/],
    ['POST', '/tasks/task_0/requests/r', {}, 404, /task_0/],
    ['POST', '/tasks', {}, 405, /POST is not allowed on "\/tasks"/],
    ['PUT', '/tasks/execute', {}, 405, /PUT is not allowed on/],
  ])('%s %s %j', async (method, path, body, status, detail) => {
    await using server = await startApi();
    const answer = await server.api.send(method, path, body);
    expect(answer).toMatchObject({
      status,
      body: {
        status,
        title: expect.any(String),
        code: expect.stringMatching(/^[A-Z_]+$/),
        detail: expect.stringMatching(detail),
        next: expect.stringMatching(/\S/),
      },
    });
    expect(answer.headers.get('content-type')).toBe(PROBLEM);
    expect(answer.body.next).not.toMatch(/get_task|list_tasks|opencode_execute/);
    expect((await server.api.get('/tasks')).body.tasks).toEqual([]);
  });

  test('a body that is no JSON is 415, one that is too large 413, without being stored', async () => {
    await using server = await startApi({ maxBodyBytes: 1_000 });
    const form = await server.api.post('/tasks/execute', 'task_description=x', {
      'content-type': 'application/x-www-form-urlencoded',
    });
    expect(form).toMatchObject({
      status: 415,
      body: { detail: expect.stringContaining('"application/x-www-form') },
    });
    const large = await server.api.post('/tasks/execute', { task_description: 'x'.repeat(5_000) });
    expect(large).toMatchObject({ status: 413, body: { code: 'PAYLOAD_TOO_LARGE' } });
    expect((await server.api.get('/tasks')).body.tasks).toEqual([]);
  });

  test('a full queue is 429 and says when to come again', async () => {
    await using server = await startApi({ limits: { maxConcurrent: 1, maxQueued: 0 } });
    await server.api.start();
    const full = await server.api.post('/tasks/execute', { task_description: 'x' });
    expect(full).toMatchObject({ status: 429, body: { code: 'QUEUE_FULL', retryable: true } });
    expect(Number(full.headers.get('retry-after'))).toBe(full.body.retry_after_seconds);
  });

  test('an ended task is 409 for what it can no longer do', async () => {
    await using server = await startApi();
    const id = await server.api.start();
    expect((await server.api.post(`/tasks/${id}/cancel`, { reason: 'enough' })).body.status).toBe(
      'cancelled',
    );
    expect(await server.api.post(`/tasks/${id}/cancel`)).toMatchObject({ status: 200 });
    for (const [what, body] of [
      ['pause', {}],
      ['resume', {}],
      ['messages', { message: 'x' }],
    ] as const) {
      expect(await server.api.post(`/tasks/${id}/${what}`, body)).toMatchObject({
        status: 409,
        body: { code: 'INVALID_STATE', next: expect.stringContaining(`continue_task_id "${id}"`) },
      });
    }
  });
});

describe('who may call', () => {
  test('with tokens only their bearers, each as its agent', async () => {
    await using server = await startApi({ tokens: [{ token: 'secret-of-ann', agentId: 'ann' }] });
    const { url } = server.http;
    for (const path of ['/tasks', '/tasks/x', '/tasks/x/events', '/events', '/tasks/x/nothing']) {
      const answer = await new RestClient(url).get(path);
      expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHORIZED' } });
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
    const ann = new RestClient(url, { authorization: 'Bearer secret-of-ann' });
    expect((await ann.get('/tasks')).status).toBe(200);
    expect(await ann.get('/tasks?agent_id=bob')).toMatchObject({
      status: 403,
      body: { code: 'AGENT_MISMATCH' },
    });
    expect(await ann.post('/tasks/execute?agent_id=ann', { agent_id: 'bob', code: 'x' })).toMatchObject({
      status: 403,
    });
  });

  test('a page of another origin gets nothing, an allowed one all that a browser asks for', async () => {
    await using server = await startApi({ allowedOrigins: ['https://ui.example'] });
    const preflight = {
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'idempotency-key',
    };
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const evil = await server.api.send(method, '/tasks/execute', undefined, {
        origin: 'https://evil.example',
        ...preflight,
      });
      expect(evil).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
      expect(evil.headers.get('access-control-allow-origin')).toBeNull();
    }
    const own = { origin: 'https://ui.example' };
    const asked = await server.api.send('OPTIONS', '/tasks/execute', undefined, { ...own, ...preflight });
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-headers')).toContain('Idempotency-Key');
    expect(asked.headers.get('access-control-allow-methods')).toContain('DELETE');
    const listed = await server.api.get('/tasks', own);
    expect(listed.headers.get('access-control-allow-origin')).toBe('https://ui.example');
    expect(listed.headers.get('access-control-expose-headers')).toContain('Location');
  });

  test('rates count for REST as for MCP', async () => {
    await using server = await startApi({ rateLimit: 3 });
    const statuses = [];
    for (let n = 0; n < 5; n += 1) statuses.push((await server.api.get('/tasks')).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
  });
});

test('HEAD answers as GET does, without a body, also for a stream', async () => {
  await using server = await startApi();
  const id = await server.api.start();
  for (const path of ['/tasks', `/tasks/${id}`, `/tasks/${id}/events`, '/events']) {
    const { status, body } = await server.api.send('HEAD', path, undefined, { accept: 'text/event-stream' });
    expect([path, status, body]).toEqual([path, 200, '']);
  }
  const options = await server.api.send('OPTIONS', '/tasks/execute');
  expect([options.status, options.headers.get('allow')]).toEqual([204, 'POST, OPTIONS']);
});

test('a long answer is compressed for who asks for it', async () => {
  await using server = await startApi();
  for (let n = 0; n < 5; n += 1) await server.api.start({ task_description: 'x'.repeat(120) });
  const { headers, status } = await server.api.get('/tasks', { 'accept-encoding': 'gzip' });
  expect([status, headers.get('content-encoding')]).toEqual([200, 'gzip']);
});

test.each([
  ['two lengths', ['Content-Length: 2', 'Content-Length: 3'], '{}'],
  ['a length and chunks', ['Content-Length: 4', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
  ['chunks that are none', ['Transfer-Encoding: xchunked'], '0\r\n\r\n'],
])('smuggling by %s is refused', async (_, headers, body) => {
  await using server = await startApi();
  const line = 'POST /tasks/execute';
  const answer = await say(
    server.http.port,
    wire(line, ['Host: localhost', 'Content-Type: application/json', ...headers], body),
  );
  expect(statusOf(answer)).toBeGreaterThanOrEqual(400);
  expect(statusOf(answer)).toBeLessThan(500);
});
