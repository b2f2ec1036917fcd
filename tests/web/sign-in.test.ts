import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import { BrowserSessions, LIFETIME_MS } from '../../src/http/browser-session/browser-sessions.ts';
import { CLOSE_CODES } from '../../src/http/websocket/close-codes.ts';
import { RestClient } from '../http/rest.ts';
import { beginSession, startServer } from '../http/server.ts';
import { refusalOf, SocketClient } from '../http/socket-client.ts';
import { signIn, startPageServer, startSessions } from './browser.ts';

const TOKENS = [{ token: 'ann-token', agentId: 'ann' }, { token: 'any-token' }];
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test('without tokens everybody is signed in, and there is nothing to sign in with', async () => {
  await using server = await startPageServer();
  const { api } = server;
  expect((await api.get('/session')).body).toEqual({ authentication: 'none', signed_in: true });
  const { status, body } = await api.post('/session', { token: 'x' });
  expect(status).toBe(409);
  expect(body.code).toBe('INVALID_STATE');
  expect((await api.send('DELETE', '/session')).status).toBe(204);
  // A cookie that is left from another bridge on this host does no harm.
  expect((await api.get('/tasks', { cookie: `bridge_session=${'a'.repeat(43)}` })).status).toBe(200);
});

test('a token is exchanged for a cookie that opens the task API together with the CSRF token', async () => {
  await using server = await startPageServer({ tokens: TOKENS });
  const { api } = server;
  expect((await api.get('/session')).body).toEqual({ authentication: 'token', signed_in: false });
  const { status, body, headers } = await api.post('/session', { token: 'ann-token' });
  expect(status).toBe(201);
  expect(body).toEqual({
    csrf_token: expect.stringMatching(/^[\w-]{43}$/),
    agent_id: 'ann',
    expires_at: expect.any(String),
  });
  const cookie = headers.get('set-cookie') ?? '';
  expect(cookie).toMatch(/^bridge_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=86400$/);
  expect(headers.get('cache-control')).toBe('no-store');

  const browser = { cookie: cookie.split(';')[0] ?? '', 'x-csrf-token': body.csrf_token };
  expect((await api.get('/session', browser)).body).toEqual({
    authentication: 'token',
    signed_in: true,
    agent_id: 'ann',
    expires_at: body.expires_at,
  });
  expect((await api.get('/tasks', browser)).status).toBe(200);
  const task = await api.post('/tasks/execute', { task_description: 'x' }, browser);
  expect(task.status).toBe(202);
  const { execution_id } = task.body;
  expect((await api.get(`/tasks/${execution_id}`, browser)).body.agent_id).toBe('ann');
  expect((await api.post('/tickets', { task_id: execution_id }, browser)).status).toBe(201);
  // As with the token itself: bound to its agent.
  expect((await api.get('/tasks', { ...browser, 'x-agent-id': 'bob' })).body.code).toBe('AGENT_MISMATCH');
});

test('the cookie alone opens nothing, nor does the CSRF token', async () => {
  await using server = await startPageServer({ tokens: TOKENS });
  const { api } = server;
  const ann = await signIn(api, 'ann-token');
  const any = await signIn(api, 'any-token');
  for (const headers of [
    { cookie: ann.cookie },
    { 'x-csrf-token': ann['x-csrf-token'] },
    { cookie: ann.cookie, 'x-csrf-token': '' },
    { cookie: ann.cookie, 'x-csrf-token': any['x-csrf-token'] },
    { cookie: ann.cookie, 'x-csrf-token': ann.cookie.split('=')[1] ?? '' },
    { cookie: `bridge_session=${ann['x-csrf-token']}`, 'x-csrf-token': ann['x-csrf-token'] },
  ]) {
    for (const path of ['/tasks', '/events', '/tasks/task_1', '/tasks/task_1/files/x']) {
      const { status, body } = await api.get(path, headers);
      expect([status, body.code], JSON.stringify(headers)).toEqual([401, 'UNAUTHORIZED']);
    }
    expect((await api.post('/tickets', { task_id: 'task_1' }, headers)).status).toBe(401);
    expect((await api.post('/tasks/execute', { task_description: 'x' }, headers)).status).toBe(401);
    expect((await api.get('/session', headers)).body.signed_in).toBe(false);
  }
});

test('the session opens neither /mcp nor the WebSocket without a ticket', async () => {
  await using server = await startPageServer({ tokens: TOKENS });
  const { api, url, http } = server;
  const browser = { ...(await signIn(api, 'any-token')) };
  await expect(beginSession(url, browser)).rejects.toThrow('401');
  await expect(beginSession(url, bearer('any-token'))).resolves.toBeTruthy();
  expect((await api.post('/matrix/notify', {}, browser)).status).toBe(401);
  const { body } = await api.post('/tasks/execute', { task_description: 'x' }, browser);
  const refused = await refusalOf(`${http.url}/tasks/${body.execution_id}/stream`, browser);
  expect(refused.status).toBe(401);
});

test('a page of another port or another site cannot use the session, nor sign in or out', async () => {
  await using server = await startPageServer({ tokens: TOKENS, allowedOrigins: ['https://app.example'] });
  const { api, origin } = server;
  const browser = { ...(await signIn(api, 'ann-token', { origin })) };
  for (const other of ['http://localhost:5173', 'http://127.0.0.1:5173', 'https://evil.example', 'null']) {
    const headers = { ...browser, origin: other };
    for (const [method, path, body] of [
      ['GET', '/tasks', undefined],
      ['POST', '/tasks/execute', { task_description: 'x' }],
      ['POST', '/session', { token: 'any-token' }],
      ['DELETE', '/session', undefined],
    ] as const) {
      const { status, body: problem } = await api.send(method, path, body, headers);
      expect([status, problem.code], `${method} ${path} from ${other}`).toEqual([403, 'FORBIDDEN']);
    }
  }
  expect((await api.get('/session', browser)).body.signed_in).toBe(true);

  // Even where pages of loopback may call, a browser does not let them send the header or a cookie.
  const preflight = await api.fetch('OPTIONS', '/tasks', undefined, {
    origin: 'http://localhost:5173',
    'access-control-request-method': 'GET',
    'access-control-request-headers': 'x-csrf-token',
  });
  expect(preflight.headers.get('access-control-allow-headers')).not.toMatch(/csrf/i);
  expect(preflight.headers.get('access-control-allow-credentials')).toBeNull();
  // What the operator allows may; behind a reverse proxy that rewrites Host it is the page itself.
  expect((await api.get('/tasks', { ...browser, origin: 'https://app.example' })).status).toBe(200);
});

test('a form of another site cannot sign in, whatever its type', async () => {
  await using server = await startPageServer({ tokens: TOKENS });
  const { api } = server;
  const text = '{"token":"any-token"}';
  for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
    const { status, headers } = await api.send('POST', '/session', text, { 'content-type': type });
    expect(status).toBe(415);
    expect(headers.get('set-cookie')).toBeNull();
  }
});

test('the cookie is Secure for a page over TLS', async () => {
  await using server = await startPageServer({ tokens: TOKENS, allowedHosts: ['bridge.example'] });
  const { api } = server;
  const { headers } = await api.post('/session', { token: 'any-token' }, { origin: 'https://evil.example' });
  expect(headers.get('set-cookie')).toBeNull();
  const own = await startPageServer({ tokens: TOKENS, allowedOrigins: ['https://bridge.example'] });
  await using _ = own;
  const origin = 'https://bridge.example';
  const signedIn = await own.api.post('/session', { token: 'any-token' }, { origin });
  expect(signedIn.headers.get('set-cookie')).toMatch(/; Secure$/);
  const out = await own.api.send('DELETE', '/session', undefined, { origin });
  expect(out.headers.get('set-cookie')).toMatch(/^bridge_session=; .*Max-Age=0; Secure$/);
});

test('a sign-out ends the session: nothing can be replayed, and streams end', async () => {
  await using server = await startPageServer({ tokens: TOKENS });
  const { api } = server;
  const browser = { ...(await signIn(api, 'ann-token')) };
  const other = { ...(await signIn(api, 'ann-token')) };
  const { body: task } = await api.post('/tasks/execute', { task_description: 'x' }, browser);
  const { body: ticket } = await api.post('/tickets', { task_id: task.execution_id }, browser);
  const path = `/tasks/${task.execution_id}/stream`;
  const { body: opened } = await api.post('/tickets', { task_id: task.execution_id }, browser);
  const stream = api.stream('/events', undefined, browser);
  const socket = new SocketClient(`${server.http.url}${path}?ticket=${opened.ticket}`);
  await socket.until(() => true);

  const { status, headers } = await api.send('DELETE', '/session', undefined, browser);
  expect(status).toBe(204);
  expect(headers.get('set-cookie')).toMatch(/^bridge_session=; .*Max-Age=0$/);
  expect((await stream).status).toBe(200);
  expect((await socket.closed).code).toBe(CLOSE_CODES.stopping.code);
  expect((await api.get('/tasks', browser)).status).toBe(401);
  expect((await api.get('/session', browser)).body.signed_in).toBe(false);
  expect((await refusalOf(`${server.http.url}${path}?ticket=${ticket.ticket}`)).status).toBe(401);
  expect((await api.get('/tasks', other)).status, 'the session of another browser').toBe(200);
  expect((await api.send('DELETE', '/session', undefined, browser)).status, 'once more').toBe(204);
});

test('one token cannot fill the store: its oldest session makes room', async () => {
  await using server = await startPageServer({ tokens: TOKENS });
  const { api } = server;
  const other = { ...(await signIn(api, 'any-token')) };
  const first = { ...(await signIn(api, 'ann-token')) };
  const second = { ...(await signIn(api, 'ann-token')) };
  for (let n = 0; n < 99; n += 1) await signIn(api, 'ann-token');
  const isOpen = async (browser: Record<string, string>) =>
    (await api.get('/session', browser)).body.signed_in;
  expect([await isOpen(first), await isOpen(second), await isOpen(other)]).toEqual([false, true, true]);
});

test('a server that stops ends the streams and WebSockets of sessions', async () => {
  const server = await startPageServer({ tokens: TOKENS });
  const { api, http } = server;
  const browser = { ...(await signIn(api, 'ann-token')) };
  const { body: task } = await api.post('/tasks/execute', { task_description: 'x' }, browser);
  const { body: opened } = await api.post('/tickets', { task_id: task.execution_id }, browser);
  const stream = api.stream('/events', undefined, browser);
  const socket = new SocketClient(`${http.url}/tasks/${task.execution_id}/stream?ticket=${opened.ticket}`);
  await socket.until(() => true);
  await server[Symbol.asyncDispose]();
  expect((await stream).events.length).toBeGreaterThan(0);
  expect((await socket.closed).code).toBe(CLOSE_CODES.stopping.code);
});

test('what outlives a request ends with its session after 24 h', async () => {
  await using sessions = await startSessions();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  try {
    const known = new BrowserSessions(sessions.store, TOKENS);
    const { id, csrfToken } = known.open('ann-token');
    const headers = { cookie: `bridge_session=${id}`, 'x-csrf-token': csrfToken };
    const { identity } = known.find({ headers, headersDistinct: {}, socket: {} }) ?? {};
    vi.advanceTimersByTime(LIFETIME_MS - 1);
    expect(identity?.ended?.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(identity?.ended?.aborted).toBe(true);
    expect(known.find({ headers, headersDistinct: {}, socket: {} })).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});

test('a sign-in gives a new id, whatever cookies somebody planted', async () => {
  await using server = await startPageServer({ tokens: TOKENS });
  const { api } = server;
  const planted = await signIn(api, 'any-token');
  const victim = await signIn(api, 'ann-token', { cookie: planted.cookie });
  expect(victim.cookie).not.toBe(planted.cookie);
  // The browser sends the planted one first where its path is longer.
  const both = `${planted.cookie}; ${victim.cookie}`;
  const { body } = await api.get('/session', { cookie: both, 'x-csrf-token': victim['x-csrf-token'] });
  expect(body.agent_id).toBe('ann');
  const stranger = { cookie: planted.cookie, 'x-csrf-token': victim['x-csrf-token'] };
  expect((await api.get('/tasks', stranger)).status).toBe(401);
  // The session that this browser itself had is over.
  const again = await signIn(api, 'ann-token', { ...victim });
  expect((await api.get('/session', { ...victim })).body.signed_in).toBe(false);
  expect((await api.get('/session', { ...again })).body.signed_in).toBe(true);
});

test('sessions survive a restart; those of a revoked token do not', async () => {
  await using sessions = await startSessions();
  const start = (tokens: typeof TOKENS) => startPageServer({ tokens, kept: sessions.store });
  const first = await start(TOKENS);
  const [ann, any] = [await signIn(first.api, 'ann-token'), await signIn(first.api, 'any-token')];
  await first[Symbol.asyncDispose]();

  await using second = await start([{ token: 'ann-token', agentId: 'anna' }, { token: 'new-token' }]);
  expect((await second.api.get('/session', { ...ann })).body.agent_id, 'what the token is now').toBe('anna');
  expect((await second.api.get('/tasks', { ...ann })).status).toBe(200);
  expect((await second.api.get('/tasks', { ...any })).status).toBe(401);
});

test('a session ends after 24 h, used or not', async () => {
  let time = Date.now();
  await using server = await startPageServer({ tokens: TOKENS, now: () => time });
  const browser = { ...(await signIn(server.api, 'any-token')) };
  time += LIFETIME_MS - 1;
  expect((await server.api.get('/tasks', browser)).status).toBe(200);
  time += 1;
  expect((await server.api.get('/tasks', browser)).status).toBe(401);
  expect((await server.api.get('/session', browser)).body.signed_in).toBe(false);
});

test('the store has nothing that opens a session, and is bounded', async () => {
  await using sessions = await startSessions();
  await using server = await startPageServer({ tokens: TOKENS, kept: sessions.store });
  const browser = await signIn(server.api, 'ann-token');
  const rows = sessions.database.prepare('SELECT * FROM browser_sessions').all();
  expect(rows).toHaveLength(1);
  const text = JSON.stringify(rows);
  for (const secret of [browser.cookie.split('=')[1] ?? '', browser['x-csrf-token'], 'ann']) {
    expect(text).not.toContain(secret);
  }
  const { store } = sessions;
  const session = (n: number) => ({ idHash: `${n}`, csrfHash: '', proof: '', expiresAt: n });
  for (const n of [10, 20, 30, 40]) store.add(session(n), 15, 3);
  expect([10, 20, 30, 40].filter((n) => store.find(`${n}`))).toEqual([30, 40]);
});

test('wrong tokens count as guesses, together with those of the header', async () => {
  await using server = await startPageServer({ tokens: TOKENS });
  const { api } = server;
  const browser = { ...(await signIn(api, 'ann-token')) };
  const begun = performance.now();
  let wrong = 0;
  const guess = async (answer: ReturnType<typeof api.get>) => {
    const { status } = await answer;
    if (status === 401) wrong += 1;
    return answer;
  };
  let refused: Awaited<ReturnType<typeof guess>>;
  do {
    await guess(api.get('/tasks', bearer(`no-${wrong}`)));
    refused = await guess(api.post('/session', { token: `no-${wrong}` }));
  } while (refused.status === 401);
  // One more is allowed every two seconds, which is how long some of these take on a busy machine.
  const more = (performance.now() - begun) / 2_000;
  expect(wrong).toBeGreaterThanOrEqual(30);
  expect(wrong).toBeLessThanOrEqual(30 + more);
  expect([refused.status, refused.body.code]).toEqual([429, 'RATE_LIMITED']);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await api.get('/tasks', browser)).status, 'who is signed in stays').toBe(200);
  expect((await api.post('/session', { token: 'ann-token' })).status, 'used from here before').toBe(201);
});

test('a body with a token is small, and one without is refused with its field', async () => {
  await using server = await startPageServer({ tokens: TOKENS });
  const { api } = server;
  expect((await api.post('/session', { token: 'x'.repeat(10_000) })).status).toBe(413);
  expect((await api.post('/session', {})).body.detail).toContain('token');
  expect((await api.send('PUT', '/session')).status).toBe(405);
  expect((await api.post('/session', { token: 'no-such-token' })).body.detail).not.toContain('no-such');
});

test('a bearer token wins over a cookie, and another scheme does not get in its way', async () => {
  await using server = await startPageServer({ tokens: TOKENS });
  const { api } = server;
  const browser = { ...(await signIn(api, 'ann-token')) };
  expect((await api.get('/tasks', { ...browser, ...bearer('wrong') })).status).toBe(401);
  const { status } = await api.get('/tasks', { cookie: browser.cookie, ...bearer('any-token') });
  expect(status).toBe(200);
  // A reverse proxy that asks for a password passes that on.
  expect((await api.get('/tasks', { ...browser, authorization: 'Basic eDp5' })).status).toBe(200);
});

test('without the page there is no sign-in', async () => {
  const pathsOf = async (url: string) => {
    const { paths } = z
      .object({ paths: z.record(z.string(), z.object()) })
      .parse(await (await fetch(`${url}/openapi.json`)).json());
    return Object.keys(paths);
  };
  await using server = await startPageServer({ tokens: TOKENS });
  await using plain = await startServer({ tokens: TOKENS, page: undefined });
  expect(await pathsOf(server.http.url)).toContain('/session');
  expect(await pathsOf(plain.http.url)).not.toContain('/session');
  const { status } = await new RestClient(plain.http.url).fetch('POST', '/session', { token: 'any-token' });
  expect(status).toBe(404);
});
