import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

/** GET /health with headers that fetch does not let one set. */
function get(
  url: string,
  headers: Record<string, string>,
  path = '/health',
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    httpRequest(new URL(path, url), { headers, agent: false }, async (response) => {
      resolve({ status: response.statusCode ?? 0, body: await text(response) });
    })
      .on('error', reject)
      .end();
  });
}

describe('Host', () => {
  test.each([
    ['localhost', 200],
    ['localhost:3500', 200],
    ['LOCALHOST', 200],
    ['127.0.0.1:1', 200],
    ['[::1]:3500', 200],
    ['bridge.example:3500', 200],
    ['evil.example', 403],
    ['localhost.evil.example', 403],
    ['bridge.example.evil.example', 403],
    ['evil.example@localhost', 403],
    ['localhost#', 403],
    ['10.0.0.1', 403],
  ])('%j answers %i', async (host, status) => {
    await using server = await startServer({ allowedHosts: ['Bridge.example'] });
    const answer = await get(server.http.url, { host });
    expect(answer.status).toBe(status);
    if (status === 403) expect(JSON.parse(answer.body)).toMatchObject({ code: 'FORBIDDEN' });
  });

  test('beyond loopback, addresses are let in and names only by the list', async () => {
    await using server = await startServer({
      host: '0.0.0.0',
      allowedHosts: ['bridge'],
      tokens: [{ token: 't' }],
    });
    const status = async (host: string) => (await get(server.http.url, { host })).status;
    expect(await status('10.1.2.3:3500')).toBe(200);
    expect(await status('[fd00::1]:3500')).toBe(200);
    expect(await status('localhost')).toBe(200);
    expect(await status('bridge:3500')).toBe(200);
    expect(await status('evil.example')).toBe(403);
  });
});

describe('an address of loopback that is not 127.0.0.1', () => {
  test('is a name of the server that listens there', async () => {
    await using server = await startServer({ host: '127.0.0.2' });
    expect((await fetch(`${server.http.url}/health`)).status).toBe(200);
    expect((await get(server.http.url, { host: '[::ffff:127.0.0.2]' })).status).toBe(200);
    expect((await get(server.http.url, { host: '10.0.0.1' })).status).toBe(403);
    expect((await get(server.http.url, { host: '127.example.org' })).status).toBe(403);
    const origin = 'http://127.0.0.2:5173';
    expect((await get(server.http.url, { host: '127.0.0.2', origin })).status).toBe(200);
  });
});

describe('Origin', () => {
  test.each([
    ['http://localhost', true],
    ['http://localhost:5173', true],
    ['https://127.0.0.1:1', true],
    ['http://[::1]:80', true],
    ['https://app.example', true],
    ['chrome-extension://abc', true],
    ['http://localhost.evil.example', false],
    ['http://localhost:80.evil.example', false],
    ['http://app.example', false],
    ['https://app.example:8443', false],
    ['https://app.example.evil.example', false],
    ['vscode-webview://localhost', false],
    ['chrome-extension://abcd', false],
    ['file://', false],
    ['null', false],
    ['', false],
  ])('%j: %s', async (origin, allowed) => {
    await using server = await startServer({
      allowedOrigins: ['https://app.example', 'chrome-extension://abc'],
    });
    const answer = await get(server.http.url, { origin });
    expect(answer.status).toBe(allowed ? 200 : 403);
  });

  test('loopback pages are refused beyond loopback', async () => {
    await using server = await startServer({ host: '0.0.0.0', tokens: [{ token: 't' }] });
    expect((await get(server.http.url, { origin: 'http://localhost' })).status).toBe(403);
  });

  test('an allowed page gets to read the answers', async () => {
    await using server = await startServer({ tokens: [{ token: 't' }] });
    const origin = 'http://localhost:5173';
    const preflight = await fetch(server.url, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('Mcp-Session-Id');
    const response = await fetch(`${server.http.url}/health`, { headers: { origin } });
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(response.headers.get('access-control-expose-headers')).toContain('Mcp-Session-Id');
    await response.text();
  });
});

describe('tokens', () => {
  const tokens = [{ token: 'first' }, { token: 'second', agentId: 'two' }];

  test.each([
    [{}, 'is needed'],
    [{ authorization: 'Bearer wrong' }, 'not known'],
    [{ authorization: 'Bearer ' }, 'is needed'],
    [{ authorization: 'Basic first' }, 'is needed'],
    [{ authorization: 'Bearer firs' }, 'not known'],
  ])('%j is 401', async (headers, message) => {
    await using server = await startServer({ tokens });
    const response = await post(server.url, request('initialize'), headers);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await answerOf(response)).toMatchObject({
      status: 401,
      body: { jsonrpc: '2.0', error: { message: expect.stringContaining(message) } },
    });
  });

  test('each known token is let in; health needs none', async () => {
    await using server = await startServer({ tokens });
    for (const { token } of tokens) await beginSession(server.url, { authorization: `bearer ${token}` });
    expect((await get(server.http.url, {})).status).toBe(200);
    expect((await get(server.http.url, {}, '/ready')).status).toBe(200);
  });

  test('a token is asked for before the body is read, and never logged', async () => {
    await using server = await startServer({ tokens, maxBodyBytes: 10 });
    expect((await post(server.url, 'no JSON and too long', {})).status).toBe(401);
    await beginSession(server.url, { authorization: 'Bearer first' }).catch(() => undefined);
    expect(server.bridge.logger.lines.join()).not.toContain('first');
  });

  test('one for this machine alone is let in from here, beside others', async () => {
    await using server = await startServer({ tokens: [...tokens, { token: 'pass', local: true }] });
    await beginSession(server.url, { authorization: 'Bearer pass' });
    await beginSession(server.http.localUrl, { authorization: 'Bearer first' });
  });
});
