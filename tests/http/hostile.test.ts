import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { heldBytes } from '../support/memory.ts';
import { closed, open, say, statusOf, wire } from './raw.ts';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

let server: Awaited<ReturnType<typeof startServer>>;
let session: Record<string, string>;

beforeAll(async () => {
  server = await startServer();
  session = { 'mcp-session-id': await beginSession(server.url) };
});
afterAll(() => server[Symbol.asyncDispose]());

async function healthy(): Promise<void> {
  expect((await post(server.url, request('ping'), session)).status).toBe(200);
}

const call = (args: string, id: unknown = 1) =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"tools/call","params":{"name":"get_task_status","arguments":${args}}}`;
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

describe('paths', () => {
  test.each([
    ['//mcp', 404],
    ['/mcp/../health', 404],
    ['/health/../mcp', 404],
    ['/mcp%2f..%2fhealth', 404],
    ['/%6dcp', 404],
    ['/health%00', 404],
    ['/mcp;/health', 404],
    ['*', 404],
    ['http://evil.example/nothing', 404],
    ['http://evil.example/mcp', 401],
    ['/MCP', 401],
    ['/mcp/', 401],
    ['/mcp?x=/health', 401],
  ])('%s answers %i: none is a way around the token', async (target, status) => {
    await using guarded = await startServer({ tokens: [{ token: 't' }] });
    expect(statusOf(await say(guarded.http.port, wire(`GET ${target}`)))).toBe(status);
  });

  test('a long one is not answered with its whole length', async () => {
    const answer = await say(server.http.port, wire(`GET /${'x'.repeat(10_000)}`));
    expect([statusOf(answer), answer.length < 1_000]).toEqual([404, true]);
  });

  test.each(['\0', '\x1b[2J', '\x80\x9b2J', ' /health', '/\t'])('%j is no path', async (target) => {
    expect(statusOf(await say(server.http.port, Buffer.from(wire(`GET /${target}`), 'latin1')))).toBe(400);
  });
});

describe('requests that contradict themselves or are none', () => {
  const chunked = 'Transfer-Encoding: chunked';
  test.each([
    ['two hosts', wire('GET /health', ['Host: localhost', 'Host: evil.example']), 403],
    ['two hosts, the other way round', wire('GET /health', ['Host: evil.example', 'Host: localhost']), 403],
    ['no host', wire('GET /health', []), 400],
    ['an older protocol without a host', 'GET /health HTTP/1.0\r\n\r\n', 403],
    [
      'length and chunks',
      wire('POST /mcp', ['Host: localhost', 'Content-Length: 5', chunked], '0\r\n\r\n'),
      400,
    ],
    [
      'two lengths',
      wire('POST /mcp', ['Host: localhost', 'Content-Length: 5', 'Content-Length: 6'], 'abcdef'),
      400,
    ],
    ['a negative length', wire('POST /mcp', ['Host: localhost', 'Content-Length: -1']), 400],
    ['chunks that are none', wire('POST /mcp', ['Host: localhost', chunked], 'zz\r\n'), 400],
    ['a smuggled line', wire('GET /health', ['Host: localhost', 'X: a\nContent-Length: 5']), 400],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01garbage\r\n\r\n', 400],
    ['a method of its own', wire('EAT /mcp'), 400],
    ['a tunnel', wire('CONNECT evil.example:443'), 0],
    [
      '3,000 headers',
      wire('GET /health', ['Host: localhost', ...Array<string>(3_000).fill('a: bcdef')]),
      431,
    ],
    ['a long header', wire('GET /health', ['Host: localhost', `a: ${'b'.repeat(20_000)}`]), 431],
  ])('%s', async (_name, bytes, status) => {
    const answer = await say(server.http.port, Buffer.from(bytes, 'latin1'));
    expect(statusOf(answer), answer).toBe(status);
    await healthy();
  });

  test('a good request is answered, the garbage behind it ends the connection', async () => {
    const answer = await say(
      server.http.port,
      'GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n%%% garbage\r\n\r\n',
    );
    expect(statusOf(answer)).toBe(200);
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toHaveLength(1);
  });

  test('another method in a header changes nothing', async () => {
    for (const name of ['x-http-method-override', 'x-method-override', 'x-http-method']) {
      expect((await post(server.url, request('ping'), { ...session, [name]: 'DELETE' })).status).toBe(200);
    }
    expect((await post(`${server.url}?_method=DELETE`, request('ping'), session)).status).toBe(200);
    await healthy();
  });
});

describe('slow clients', () => {
  const connections = { max: 100, headersMs: 200, requestMs: 400 };

  test.each([
    ['nothing', ''],
    ['half a line', 'GET /hea'],
    ['headers without an end', 'GET /health HTTP/1.1\r\nHost: localhost\r\nA: b\r\n'],
    [
      'a body without an end',
      'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{',
    ],
  ])('that send %s are cut off; others are served meanwhile', async (_name, bytes) => {
    await using slow = await startServer({ connections });
    const answers = Promise.all(Array.from({ length: 50 }, () => say(slow.http.port, bytes)));
    expect((await fetch(`${slow.http.url}/health`)).status).toBe(200);
    expect((await answers).map(statusOf)).toEqual(Array(50).fill(408));
  });

  test('that go on a byte at a time are cut off too', async () => {
    await using slow = await startServer({ connections });
    const socket = open(slow.http.port);
    socket.resume().write('GET /health HTTP/1.1\r\nHost: localhost\r\nA: ');
    const drip = setInterval(() => socket.write('b'), 20);
    await closed(socket);
    clearInterval(drip);
  });

  test('past the number of connections are closed at once; when one leaves, there is room', async () => {
    await using full = await startServer({ connections: { max: 3, headersMs: 60_000, requestMs: 60_000 } });
    const held = Array.from({ length: 3 }, () => open(full.http.port));
    for (const socket of held) if (socket.connecting) await once(socket, 'connect');
    expect(await say(full.http.port, wire('GET /health'))).toBe('');
    for (const socket of held) socket.destroy();
    let answer = '';
    while (answer === '') answer = await say(full.http.port, wire('GET /health'));
    expect(statusOf(answer)).toBe(200);
  });
});

describe('bodies', () => {
  test('100 MB in chunks are answered 413 and never held', async () => {
    const socket = open(server.http.port).setEncoding('latin1');
    const answer = once(socket, 'data');
    const head = ['POST /mcp HTTP/1.1', 'Host: localhost', 'Content-Type: application/json'];
    socket.write(`${[...head, 'Transfer-Encoding: chunked'].join('\r\n')}\r\n\r\n`);
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, 0x20), Buffer.from('\r\n')]);
    const before = heldBytes();
    for (let sent = 0; sent < 100e6; sent += 0x10000) if (!socket.write(chunk)) await once(socket, 'drain');
    expect(heldBytes() - before).toBeLessThan(10e6);
    socket.end('0\r\n\r\n');
    const [said] = await answer;
    expect(statusOf(String(said))).toBe(413);
    await healthy();
  });

  test('a small one that unpacks to a large one is too large', async () => {
    const bomb = gzipSync(Buffer.alloc(50e6, 0x20));
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { ...session, 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: bomb,
    });
    expect([bomb.length < 100_000, response.status]).toEqual([true, 413]);
  });

  test.each([100_000, 400_000])('%i nested lists are refused wherever they stand', async (depth) => {
    const deep = nested(depth);
    for (const body of [deep, `{"jsonrpc":"2.0","id":${deep},"method":"ping"}`]) {
      expect(await answerOf(post(server.url, body, session))).toMatchObject({
        status: 400,
        body: { error: { code: -32700 } },
      });
    }
    const answer = await (await post(server.url, call(`{"task_id":${deep}}`), session)).text();
    expect(answer).toContain('INVALID_INPUT: `task_id` (nested too deeply to be shown) is not a string.');
    const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":${deep}}`;
    expect((await post(server.url, initialize)).status).toBe(400);
    await healthy();
  });

  test('a batch of 10,000 calls is refused as a whole', async () => {
    await using roomy = await startServer({ maxBodyBytes: 4_000_000 });
    const headers = { 'mcp-session-id': await beginSession(roomy.url) };
    const start = { name: 'opencode_execute_task', arguments: { task_description: 'x' } };
    const batch = Array.from({ length: 10_000 }, (_, id) => request('tools/call', start, id));
    const { status, body } = await answerOf(post(roomy.url, batch, headers));
    expect([status, body]).toMatchObject([
      400,
      { error: { message: expect.stringContaining('100 messages') } },
    ]);
    expect(roomy.bridge.log.store.countByStatus()).toEqual({});
  });

  test('a batch that hides in another media type is not read', async () => {
    const headers = { ...session, 'content-type': 'text/plain; x=application/json' };
    expect((await post(server.url, [request('ping', {}, 1), request('ping', {}, 2)], headers)).status).toBe(
      415,
    );
  });

  test('bytes that are no UTF-8 break nothing', async () => {
    const body = Buffer.from(call('{"task_id":"\xff\xfe\xc0\xaf"}'), 'latin1');
    const response = await fetch(server.url, {
      method: 'POST',
      headers: {
        ...session,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body,
    });
    expect(await response.text()).toContain('TASK_NOT_FOUND');
    await healthy();
  });

  test.each([
    ['{"__proto__":{"task_id":"inherited"}}', '`task_id` is missing.'],
    ['{"constructor":{"prototype":{"polluted":1}}}', '`constructor` is not a parameter'],
    ['{"task_id":{"__proto__":{"polluted":1}}}', '`task_id` {'],
    ['{"task_id":"x","toString":1,"hasOwnProperty":1}', '`toString` is not a parameter'],
  ])('arguments %s reach no prototype', async (args, message) => {
    expect(await (await post(server.url, call(args), session)).text()).toContain(message);
    expect({}).not.toHaveProperty('polluted');
    const extra = `{"__proto__":{"polluted":1},${call('{}').slice(1)}`;
    await (await post(server.url, extra, session)).text();
    expect({}).not.toHaveProperty('polluted');
    await healthy();
  });
});

describe('what is told back', () => {
  const STEERING = /[^\n\r\x20-\x7e]/;

  test('names and values are quoted without what could steer a terminal', async () => {
    const tricks = '\x1b[2J\x9b2J\u202e';
    const answer = await (await post(server.url, call(JSON.stringify({ task_id: tricks })), session)).text();
    expect(answer).toContain('TASK_NOT_FOUND');
    expect(answer).not.toMatch(STEERING);
    const body = request('tools/call', { name: tricks, arguments: {} });
    expect(await (await post(server.url, body, session)).text()).not.toMatch(STEERING);
    const headers = ['Host: localhost', `Mcp-Session-Id: a\x9b2J`, 'Accept: text/event-stream'];
    const unknown = await say(server.http.port, Buffer.from(wire('GET /mcp', headers), 'latin1'));
    expect(statusOf(unknown)).toBe(404);
    expect(unknown).not.toMatch(STEERING);
    expect(server.bridge.logger.lines.join('\n')).not.toContain('\x1b');
  });
});
