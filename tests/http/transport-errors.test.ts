import { describe, expect, test } from 'vitest';
import { say, statusOf, wire } from './raw.ts';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

const list = (id: number | string = 7) => request('tools/list', {}, id);
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('an error of the transport carries the id of the request', () => {
  test('without a session, with an unknown one, with a version or media type that is not served', async () => {
    await using server = await startServer();
    const session = { 'mcp-session-id': await beginSession(server.url) };
    const cases: [number, Record<string, string>][] = [
      [400, {}],
      [404, { 'mcp-session-id': 'gone' }],
      [400, { ...session, 'mcp-protocol-version': '1999-01-01' }],
      [406, { ...session, accept: 'text/html' }],
    ];
    for (const id of [7, 0, 'x', '']) {
      for (const [status, headers] of cases) {
        const answer = await answerOf(post(server.url, list(id), headers));
        expect(answer).toMatchObject({
          status,
          body: { jsonrpc: '2.0', id, error: { code: expect.any(Number) } },
        });
      }
    }
  });

  test('a message that is no JSON-RPC: with its id where it has one', async () => {
    await using server = await startServer();
    const session = { 'mcp-session-id': await beginSession(server.url) };
    const idOf = async (body: unknown) => (await answerOf(post(server.url, body, session))).body;
    expect(await idOf({ jsonrpc: '1.0', id: 7, method: 'ping' })).toMatchObject({ id: 7 });
    expect(await idOf({ jsonrpc: '2.0', id: 7, method: 'ping', params: 3 })).toMatchObject({ id: 7 });
    for (const id of [null, 1.5, {}, [], true, 1e300]) {
      expect(await idOf({ jsonrpc: '2.0', id, method: 'ping' })).toMatchObject({ id: null, error: {} });
    }
    for (const body of [{ hello: 1 }, { id: 7 }, { id: 7, method: 5 }, 'null', '3', '"x"']) {
      expect(await idOf(body)).toMatchObject({ id: null, error: {} });
    }
  });

  test('without a token, or with a wrong one: a small body is read for its id', async () => {
    await using server = await startServer({ tokens: [{ token: 't' }] });
    for (const headers of [{}, bearer('wrong')]) {
      for (const id of [7, 'x']) {
        const answer = await answerOf(post(server.url, list(id), headers));
        expect(answer).toMatchObject({
          status: 401,
          body: { jsonrpc: '2.0', id, error: { data: { code: 'UNAUTHORIZED' } } },
        });
      }
    }
  });

  test('what is refused after its body was read', async () => {
    await using server = await startServer({ rateLimit: 3 });
    const batch = [list(1), list(2), list(3), list(4)];
    expect((await post(server.url, list())).status).toBe(400);
    const { status, body } = await answerOf(post(server.url, batch));
    expect([status, body]).toMatchObject([
      429,
      [1, 2, 3, 4].map((id) => ({ id, error: { data: { code: 'RATE_LIMITED' } } })),
    ]);
  });
});

describe('an error of the transport carries null', () => {
  test('where the body was not read, or is none', async () => {
    await using server = await startServer({ tokens: [{ token: 't' }], maxBodyBytes: 300, rateLimit: 4 });
    const large = request('ping', { x: 'x'.repeat(500) }, 7);
    const cases = [
      [401, request('ping', { x: 'x'.repeat(20_000) }, 7), {}],
      [401, '{"jsonrpc":"2.0","id":7,', {}],
      [401, list(), { 'content-type': 'text/plain' }],
      [403, list(), { ...bearer('t'), origin: 'http://evil.example' }],
      [413, large, bearer('t')],
      [400, '{"jsonrpc":"2.0","id":7,', bearer('t')],
      [415, '{}', { ...bearer('t'), 'content-type': 'application/json; charset=none' }],
      [400, '', bearer('t')],
      [429, list(), bearer('t')],
    ] as const;
    for (const [status, body, headers] of cases) {
      const answer = await answerOf(post(server.url, body, headers));
      expect(answer).toMatchObject({ status, body: { jsonrpc: '2.0', id: null, error: {} } });
    }
  });

  test('where a body without a token never comes: it is not waited for', async () => {
    await using server = await startServer({ tokens: [{ token: 't' }] });
    const head = ['Host: localhost', 'Content-Type: application/json', 'Content-Length: 100'];
    const answer = await say(server.http.port, wire('POST /mcp', head, '{"id":7'));
    expect([statusOf(answer), answer.includes('"id":null')]).toEqual([401, true]);
  });

  test('where what was refused is itself an answer or a notification: its id is that of another request', async () => {
    await using server = await startServer();
    const gone = { 'mcp-session-id': 'gone' };
    for (const body of [
      { jsonrpc: '2.0', id: 7, result: {} },
      { jsonrpc: '2.0', id: 7, error: { code: 1, message: 'x' } },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      [{ jsonrpc: '2.0', id: 7, result: {} }],
      [],
    ]) {
      expect(await answerOf(post(server.url, body, gone))).toMatchObject({ status: 404, body: { id: null } });
    }
  });
});

describe('a batch that is refused', () => {
  test('has an error for each of its requests', async () => {
    await using server = await startServer();
    const note = { jsonrpc: '2.0', method: 'notifications/initialized' };
    const batch = [list(1), note, list('b'), { jsonrpc: '2.0', id: 9, result: {} }];
    const error = { code: -32001, message: expect.stringContaining('"gone"') };
    expect(await answerOf(post(server.url, batch, { 'mcp-session-id': 'gone' }))).toMatchObject({
      status: 404,
      body: [
        { jsonrpc: '2.0', id: 1, error },
        { jsonrpc: '2.0', id: 'b', error },
      ],
    });
  });

  test('has one error where it is too long: its answer does not grow with it', async () => {
    await using server = await startServer();
    const batch = Array.from({ length: 101 }, (_, id) => list(id));
    const session = { 'mcp-session-id': await beginSession(server.url) };
    for (const headers of [session, { 'mcp-session-id': 'gone' }]) {
      expect(await answerOf(post(server.url, batch, headers))).toMatchObject({
        body: { id: null, error: {} },
      });
    }
  });
});

describe('GET and DELETE without a session', () => {
  test('GET is 405 and says what is served', async () => {
    await using server = await startServer();
    for (const accept of ['text/event-stream', 'text/html', '*/*']) {
      const response = await fetch(server.url, { headers: { accept } });
      expect(response.headers.get('allow')).toBe('POST');
      const message = expect.stringMatching(/initialize.*Mcp-Session-Id/);
      expect(await answerOf(response)).toMatchObject({ status: 405, body: { id: null, error: { message } } });
    }
    expect((await fetch(server.url, { method: 'HEAD' })).status).toBe(405);
  });

  test('with an unknown one GET is 404; DELETE without one is 400', async () => {
    await using server = await startServer();
    expect((await fetch(server.url, { headers: { 'mcp-session-id': 'gone' } })).status).toBe(404);
    expect((await fetch(server.url, { method: 'DELETE' })).status).toBe(400);
  });
});

test('web pages may send the headers of the newer protocol', async () => {
  await using server = await startServer();
  const headers = { origin: 'http://localhost:5173', 'access-control-request-method': 'POST' };
  const preflight = await fetch(server.url, { method: 'OPTIONS', headers });
  const allowed = preflight.headers.get('access-control-allow-headers')?.toLowerCase().split(/, */);
  expect(allowed).toEqual(expect.arrayContaining(['mcp-method', 'mcp-name', 'mcp-session-id', 'x-agent-id']));
});

test('a body that is not compressed as it says is a mistake of the client', async () => {
  await using server = await startServer();
  for (const path of ['/mcp', '/tasks/execute']) {
    for (const encoding of ['gzip', 'br', 'deflate']) {
      const answer = await answerOf(
        post(`${server.http.url}${path}`, list(), { 'content-encoding': encoding }),
      );
      expect([path, encoding, answer.status]).toEqual([path, encoding, 400]);
    }
  }
  expect(server.bridge.logger.lines.filter((line) => line.includes('a request failed'))).toEqual([]);
});
