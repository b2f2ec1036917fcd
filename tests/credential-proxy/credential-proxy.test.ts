import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_USAGE } from '../../src/tasks/events.ts';
import { bearer, KEY, send, startProxyWorld, type Upstream } from './proxy-world.ts';

const upstream: { current: Upstream } = { current: () => undefined };
let world: Awaited<ReturnType<typeof startProxyWorld>>;
beforeEach(async () => {
  upstream.current = (_req, res) => res.setHeader('content-type', 'application/json').end('{"ok":true}');
  world = await startProxyWorld(upstream);
});
afterEach(() => world.close());

const STREAM = { 'content-type': 'text/event-stream' };
const delta = 'data: {"choices":[{"delta":{"content":"x"}}]}\n\n';
const usage = (total: number) =>
  `data: {"choices":[],"usage":{"prompt_tokens":${total},"completion_tokens":1}}\n\n`;

describe('a request', () => {
  beforeEach(() => world.run('task_1'));

  it('gets the key in the place of the token, and keeps all else', async () => {
    const body = JSON.stringify({ model: 'm', stream: true, text: 'ü'.repeat(50_000) });
    await world.call('task_1', '/chat/completions?a=b', {
      body,
      headers: { 'x-session-id': 'ses_1', cookie: 'c' },
    });
    const [{ method, url, headers, body: received } = {}] = world.seen;
    expect({ method, url, received }).toEqual({
      method: 'POST',
      url: '/v1/chat/completions?a=b',
      received: body,
    });
    expect(headers).toMatchObject({
      authorization: `Bearer ${KEY}`,
      'content-type': 'application/json',
      'content-length': `${Buffer.byteLength(body)}`,
      'x-session-id': 'ses_1',
    });
    expect(headers).not.toHaveProperty('cookie');
    expect(JSON.stringify(headers)).not.toContain(world.tokenOf('task_1'));
  });

  it("in Anthropic's dialect has it in x-api-key, wherever the token was", async () => {
    const token = world.tokenOf('task_1');
    for (const headers of [{ 'x-api-key': token }, bearer(token)]) {
      await send(`${world.url}/anthropic/messages`, {
        headers: { ...headers, 'anthropic-version': '2023-06-01' },
      });
    }
    for (const { headers } of world.seen) {
      expect(headers).toMatchObject({ 'x-api-key': KEY, 'anthropic-version': '2023-06-01' });
      expect(headers).not.toHaveProperty('authorization');
    }
    expect(world.seen).toHaveLength(2);
  });

  it.each([
    ['files', 'POST', '/files'],
    ['billing', 'GET', '/usage'],
    ['a way up', 'POST', '/chat/../../v1/files'],
    ['an encoded way up', 'POST', '/chat/completions/%2e%2e/files'],
    ['an encoded letter', 'POST', '/chat/completion%73'],
    ['two slashes', 'POST', '//chat/completions'],
    ['another method', 'DELETE', '/models'],
    ['the other dialect', 'POST', '/messages'],
    ['nothing', 'GET', ''],
  ])('for %s is refused, and not sent', async (_name, method, path) => {
    // As bytes: a client would tidy the path up.
    const socket = connect(Number(new URL(world.url).port), '127.0.0.1');
    const lines = [
      `${method} /openai${path} HTTP/1.1`,
      'host: x',
      `authorization: Bearer ${world.tokenOf('task_1')}`,
    ];
    socket.end(`${[...lines, 'content-length: 0', 'connection: close'].join('\r\n')}\r\n\r\n`);
    let answer = '';
    for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).toMatch(/path_refused|provider_unknown/);
    expect(world.seen).toEqual([]);
  });

  it('to a provider without a key says so', async () => {
    const { status, body } = await send(`${world.url}/mistral/chat/completions`, {
      headers: bearer(world.tokenOf('task_1')),
    });
    expect({ status, body }).toMatchObject({
      status: 403,
      body: expect.stringContaining('no key of the provider'),
    });
  });

  it('has the new key as soon as it is rotated', async () => {
    await world.call('task_1');
    const [openai] = [world.secrets.get('openai')].flatMap((it) => it ?? []);
    if (openai) world.secrets.set('openai', { ...openai, key: 'sk-rotated' });
    await world.call('task_1');
    expect(world.seen.map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${KEY}`,
      'Bearer sk-rotated',
    ]);
  });
});

describe('a token', () => {
  it.each<[string, () => string]>([
    ['none', () => ''],
    ['of another task', () => world.tokenOf('task_1').replace('task_1', 'task_2')],
    ['cut short', () => world.tokenOf('task_1').slice(0, -1)],
    [
      'with another signature',
      () => world.tokenOf('task_1').replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
    ],
    ['of another server', () => world.tokens.make({ kind: 'server', serverId: 'other' })],
    ['of a task as one of a server', () => world.tokenOf('task_1').replace(/^task/, 'server')],
    ['the key itself', () => KEY],
  ])('%s is not known', async (_name, token) => {
    world.run('task_1');
    world.run('task_2');
    const { status, body } = await send(`${world.url}/openai/chat/completions`, { headers: bearer(token()) });
    expect({ status, body }).toMatchObject({ status: 401, body: expect.stringContaining('token_unknown') });
    expect(world.seen).toEqual([]);
  });

  it('of a task that has ended, or is not there, is worth nothing', async () => {
    world.run('task_1');
    world.log.append('task_1', { kind: 'cancelled', by: 'ann' });
    expect(await world.call('task_1')).toMatchObject({
      status: 403,
      body: expect.stringContaining('task_ended'),
    });
    expect(await world.call('task_9')).toMatchObject({
      status: 403,
      body: expect.stringContaining('task_unknown'),
    });
    expect(world.seen).toEqual([]);
  });

  it('of the server is good for the sessions of running tasks, and of their subagents', async () => {
    const attached = { kind: 'attached', session_id: 'ses_1', prompt_id: 'msg_1' } as const;
    world.run('task_1', {}, attached);
    const token = world.tokens.make({ kind: 'server', serverId: 'this-server' });
    const call = async (headers: Record<string, string>): Promise<number> =>
      (await send(`${world.url}/openai/responses`, { headers: { ...bearer(token), ...headers } })).status;
    expect(await call({})).toBe(403);
    expect(await call({ 'x-session-id': 'ses_2' })).toBe(403);
    expect(await call({ 'x-session-id': 'ses_1' })).toBe(200);
    expect(await call({ 'x-session-id': 'ses_2', 'x-parent-session-id': 'ses_1' })).toBe(200);
    expect(await call({ 'x-session-id': 'ses_3', 'x-parent-session-id': 'ses_2' })).toBe(200);
    world.log.append('task_1', { kind: 'cancelled', by: 'ann' });
    for (const session of ['ses_1', 'ses_2', 'ses_3'])
      expect(await call({ 'x-session-id': session })).toBe(403);
    // A follow-up goes on in the same session.
    world.run('task_2', {}, attached);
    expect(await call({ 'x-session-id': 'ses_1' })).toBe(200);
  });
});

describe('an answer', () => {
  beforeEach(() => world.run('task_1'));

  /** What a provider can do, and what a client then sees. */
  const BEHAVIOURS: Record<string, Upstream> = {
    'a whole answer': (_req, res) =>
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"a":1}'),
    'a stream': (_req, res) => res.writeHead(200, STREAM).end(delta.repeat(3)),
    '429 with Retry-After': (_req, res) => res.writeHead(429, { 'retry-after': '7' }).end('{"error":{}}'),
    '529': (_req, res) => res.writeHead(529, { 'x-should-retry': 'true' }).end('overloaded'),
    '401': (_req, res) => res.writeHead(401, { 'content-type': 'application/json' }).end('{"error":{}}'),
    'an empty answer': (_req, res) => res.writeHead(204).end(),
    'half a stream': (_req, res) => {
      res.writeHead(200, STREAM).write(delta);
      setImmediate(() => res.destroy());
    },
    'half of what it announced': (_req, res) => {
      res.writeHead(200, { 'content-length': '100' }).write('half');
      setImmediate(() => res.destroy());
    },
    'a cut before its first byte': (_req, res) => res.destroy(),
  };

  it.each(Object.keys(BEHAVIOURS))('%s is seen as without the proxy', async (name) => {
    upstream.current = BEHAVIOURS[name] ?? upstream.current;
    const observe = async (url: string, headers: Record<string, string>) =>
      send(url, { headers }).then(
        ({ headers: { date: _date, ...others }, ...rest }) => ({ ...rest, headers: others }),
        (error: NodeJS.ErrnoException) => error.code,
      );
    const without = await observe(`${world.direct}/chat/completions`, bearer(KEY));
    const by = await observe(`${world.url}/openai/chat/completions`, bearer(world.tokenOf('task_1')));
    // How long this connection is kept is a matter of the two of them.
    const connection = { connection: expect.anything(), 'keep-alive': expect.anything() };
    if (typeof without === 'object' && typeof by === 'object') {
      const { connection: _c, 'keep-alive': _k, ...headers } = without.headers;
      expect({ ...by, headers: { ...connection, ...by.headers } }).toEqual({
        ...without,
        headers: { ...connection, ...headers, ...pick(by.headers, ['connection', 'keep-alive']) },
      });
    } else expect(by).toEqual(without);
  });

  it('of a provider that cannot be reached is a cut connection', async () => {
    const answer = send(`${world.url}/gone/chat/completions`, { headers: bearer(world.tokenOf('task_1')) });
    await expect(answer).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('passes chunk by chunk', async () => {
    const gate = Promise.withResolvers<void>();
    upstream.current = async (_req, res) => {
      res.writeHead(200, STREAM).write(delta);
      await gate.promise;
      res.end('data: [DONE]\n\n');
    };
    const first = Promise.withResolvers<string>();
    const answer = world.call('task_1', '/chat/completions', { onChunk: first.resolve });
    expect(await first.promise).toBe(delta);
    gate.resolve();
    expect((await answer).body).toBe(`${delta}data: [DONE]\n\n`);
  });

  it('that nobody waits for any more is ended at the provider too', async () => {
    const closed = Promise.withResolvers<void>();
    upstream.current = (_req, res) => {
      res.once('close', closed.resolve);
      res.writeHead(200, STREAM).write(delta);
    };
    const socket = connect(Number(new URL(world.url).port), '127.0.0.1');
    socket.write(
      `POST /openai/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${world.tokenOf('task_1')}\r\ncontent-length: 0\r\n\r\n`,
    );
    await once(socket, 'data');
    socket.destroy();
    await closed.promise;
  });

  it('does not lead elsewhere, and leaves no cookie', async () => {
    upstream.current = (_req, res) =>
      res.writeHead(307, { location: 'http://127.0.0.1:1/steal', 'set-cookie': 'a=b' }).end();
    const { status, headers } = await world.call('task_1');
    expect(status).toBe(502);
    expect(headers).not.toHaveProperty('location');
    expect(headers).not.toHaveProperty('set-cookie');
  });

  it('is cut when its task ends', async () => {
    upstream.current = (_req, res) => res.writeHead(200, STREAM).write(delta);
    const cut = world.call('task_1', '/chat/completions', {
      onChunk: () => world.log.append('task_1', { kind: 'cancelled', by: 'ann' }),
    });
    expect(await cut).toMatchObject({ cut: true, body: delta });
  });
});

describe('the tokens of a task', () => {
  it('are counted over its calls, and the next call is refused once they are spent', async () => {
    world.run('task_1', { max_tokens: 100 });
    upstream.current = (_req, res) => res.writeHead(200, STREAM).end(delta + usage(49));
    expect((await world.call('task_1')).cut).toBe(false);
    expect((await world.call('task_1')).cut).toBe(false);
    expect(world.spent).toEqual([]);
    expect(await world.call('task_1')).toMatchObject({
      status: 403,
      body: expect.stringContaining('budget_exceeded'),
    });
    expect(world.spent).toEqual([{ taskId: 'task_1', tokens: 100 }]);
    expect(world.seen).toHaveLength(2);
  });

  it('end a stream in its middle, and all other calls of the task', async () => {
    world.run('task_1', { max_tokens: 10 });
    const other = Promise.withResolvers<void>();
    upstream.current = (req, res) => {
      res.writeHead(200, STREAM).write(delta);
      if (req.headers['x-session-id'] === 'endless') res.write(delta.repeat(20));
    };
    const first = world.call('task_1', '/responses', { onChunk: () => other.resolve() });
    await other.promise;
    expect(
      await world.call('task_1', '/responses', { headers: { 'x-session-id': 'endless' } }),
    ).toMatchObject({ cut: true });
    expect(await first).toMatchObject({ cut: true });
    expect(world.spent.length).toBeGreaterThan(0);
  });

  it('go on from the log after a restart, and are no matter of another task', async () => {
    const used = { kind: 'usage', usage: { ...NO_USAGE, input_tokens: 100 } } as const;
    world.run('task_1', { max_tokens: 100 }, used);
    world.run('task_2', { max_tokens: 100 });
    expect((await world.call('task_1')).status).toBe(403);
    expect((await world.call('task_2')).status).toBe(200);
  });
});

function pick(headers: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => names.includes(name)));
}
