import { describe, expect, test } from 'vitest';
import { bearerGuard } from '../../src/http/guards/bearer.ts';
import type { GuardedRequest } from '../../src/http/guards/guard.ts';
import { hostGuard } from '../../src/http/guards/host.ts';
import { originGuard, ownPageGuard } from '../../src/http/guards/origin.ts';
import { rateGuard } from '../../src/http/guards/rate.ts';
import { taskCommandGuard } from '../../src/http/guards/task-commands.ts';

/** A request as Node parses it: `headers` has the first of repeated values, `headersDistinct` all. */
function requestWith(
  headers: Record<string, string | string[]>,
  remoteAddress = '127.0.0.1',
): GuardedRequest {
  const all = Object.entries(headers).map(([name, value]) => [name, [value].flat()] as const);
  return {
    headers: Object.fromEntries(all.map(([name, [first]]) => [name, first])),
    headersDistinct: Object.fromEntries(all.map(([name, values]) => [name, [...values]])),
    socket: { remoteAddress, localAddress: '127.0.0.1' },
  };
}

const LOCAL = {
  host: '127.0.0.1',
  allowedHosts: ['bridge.example'],
  allowedOrigins: ['https://app.example'],
};
const PUBLIC = { ...LOCAL, host: '0.0.0.0' };

describe('the host guard', () => {
  test.each(['localhost', 'localhost:3500', '127.1', '[::1]:3500', 'Bridge.EXAMPLE:3500'])(
    'allows %j',
    (host) => {
      expect(hostGuard(LOCAL)(requestWith({ host }))).toBeUndefined();
    },
  );

  test.each([
    'evil.example',
    'localhost.evil.example',
    'bridge.example.evil.example',
    'evil-bridge.example',
    'evil.example@localhost',
    'localhost/evil.example',
    'localhost, evil.example',
    'local host',
    '10.0.0.1',
    '',
  ])('refuses %j with 403 and quotes it', (host) => {
    const { error } = hostGuard(LOCAL)(requestWith({ host })) ?? {};
    expect(error).toMatchObject({ code: 'FORBIDDEN', httpStatus: 403 });
    expect(error?.message).toContain(JSON.stringify(host));
    expect(error?.next).toContain('MCP_ALLOWED_HOSTS');
  });

  test('refuses a request without Host, and one with two', () => {
    const check = hostGuard(LOCAL);
    expect(check(requestWith({}))?.error.code).toBe('FORBIDDEN');
    expect(check(requestWith({ host: ['localhost', 'localhost'] }))?.error.code).toBe('FORBIDDEN');
    expect(check(requestWith({ host: ['localhost', 'evil.example'] }))?.error.message).toContain(
      'evil.example',
    );
  });

  test('allows literal addresses only if the server listens beyond loopback', () => {
    for (const host of ['10.1.2.3:3500', '[fd00::1]']) {
      expect(hostGuard(PUBLIC)(requestWith({ host }))).toBeUndefined();
      expect(hostGuard(LOCAL)(requestWith({ host }))).toBeDefined();
    }
    expect(hostGuard(PUBLIC)(requestWith({ host: 'evil.example' }))).toBeDefined();
    expect(hostGuard(PUBLIC)(requestWith({ host: '10.1.2.3.evil.example' }))).toBeDefined();
  });
});

describe('the origin guard', () => {
  test.each(['http://localhost:5173', 'https://127.0.0.1', 'https://APP.example', 'https://app.example:443'])(
    'allows %j',
    (origin) => {
      expect(originGuard(LOCAL)(requestWith({ origin }))).toBeUndefined();
    },
  );

  test.each([
    'null',
    '',
    'https://app.example.evil.example',
    'https://app.example@evil.example',
    'https://evil.example/https://app.example',
    'http://app.example',
    'https://app.example:8443',
    'http://localhost.evil.example',
    'file://',
    'ftp://localhost',
    'app.example',
  ])('refuses %j with 403', (origin) => {
    const { error } = originGuard(LOCAL)(requestWith({ origin })) ?? {};
    expect(error).toMatchObject({ code: 'FORBIDDEN', httpStatus: 403 });
    expect(error?.next).toContain('MCP_ALLOWED_ORIGINS');
  });

  test('allows a request without Origin; refuses pages of loopback if the server listens beyond it', () => {
    expect(originGuard(LOCAL)(requestWith({}))).toBeUndefined();
    expect(originGuard(PUBLIC)(requestWith({ origin: 'http://localhost' }))).toBeDefined();
    expect(originGuard(PUBLIC)(requestWith({ origin: 'https://app.example' }))).toBeUndefined();
  });

  test.each([
    ['bridge.example', 'https://bridge.example'],
    ['Bridge.example:443', 'https://bridge.example'],
    ['bridge.example:80', 'http://bridge.example'],
    ['10.0.0.1:3500', 'http://10.0.0.1:3500'],
    ['[fd00::1]:3500', 'http://[fd00::1]:3500'],
  ])('allows the page of the server itself: Host %j, Origin %j', (host, origin) => {
    for (const guard of [originGuard(PUBLIC), ownPageGuard(PUBLIC)]) {
      expect(guard(requestWith({ host, origin }))).toBeUndefined();
    }
  });

  test.each([
    ['bridge.example', 'https://bridge.example:8443'],
    ['bridge.example:3500', 'https://bridge.example'],
    ['bridge.example', 'https://evil.bridge.example'],
    ['bridge.example', 'https://bridge.example@evil.example'],
    ['bridge.example', 'chrome-extension://bridge.example'],
    ['', 'https://'],
  ])('refuses a page of another server: Host %j, Origin %j', (host, origin) => {
    expect(originGuard(PUBLIC)(requestWith({ host, origin }))?.error.code).toBe('FORBIDDEN');
  });

  test('what acts by a cookie refuses pages of other ports of this machine', () => {
    const guard = ownPageGuard(LOCAL);
    const host = 'localhost:3500';
    expect(guard(requestWith({ host, origin: 'http://localhost:5173' }))?.error.code).toBe('FORBIDDEN');
    expect(guard(requestWith({ host, origin: 'http://127.0.0.1:3500' }))?.error.code).toBe('FORBIDDEN');
    expect(guard(requestWith({ host, origin: 'http://localhost:3500' }))).toBeUndefined();
    expect(guard(requestWith({ host, origin: 'https://app.example' }))).toBeUndefined();
    expect(guard(requestWith({ host }))).toBeUndefined();
  });
});

describe('the bearer guard', () => {
  const tokens = [
    { token: 'long-token-of-one', agentId: 'one' },
    { token: 'any' },
    { token: 'here', local: true },
  ];
  const bearer = (token: string, address?: string) =>
    requestWith({ authorization: `Bearer ${token}` }, address);

  test('allows everybody without tokens, and says nothing of them', () => {
    expect(bearerGuard([])(requestWith({ authorization: 'Bearer x' }))).toEqual({});
  });

  test('says which agent a token is bound to, and never the token', () => {
    const check = bearerGuard(tokens);
    const { identity, refusal } = check(bearer('long-token-of-one'));
    expect(refusal).toBeUndefined();
    expect(identity?.agentId).toBe('one');
    expect(JSON.stringify(identity)).not.toContain('long-token');
    expect(check(bearer('any')).identity?.agentId).toBeUndefined();
  });

  test.each([
    [{}],
    [{ authorization: '' }],
    [{ authorization: 'Bearer' }],
    [{ authorization: 'Bearer ' }],
    [{ authorization: 'Basic any' }],
    [{ authorization: 'any' }],
    [{ authorization: 'Bearer any any' }],
    [{ authorization: 'Bearer an' }],
    [{ authorization: 'Bearer anyy' }],
    [{ authorization: 'Bearer ANY' }],
    [{ authorization: `Bearer ${'x'.repeat(100_000)}` }],
  ])('refuses %j with 401 and the way to authenticate', (headers) => {
    const { identity, refusal } = bearerGuard(tokens)(requestWith({ ...headers }));
    expect(identity).toBeUndefined();
    expect(refusal).toMatchObject({
      error: { code: 'UNAUTHORIZED', httpStatus: 401 },
      headers: { 'WWW-Authenticate': 'Bearer' },
    });
    expect(refusal?.error.message.length).toBeLessThan(100);
  });

  test('allows a local token only from this machine', () => {
    const check = bearerGuard(tokens);
    expect(check(bearer('here')).identity).toBeDefined();
    expect(check(bearer('here', '10.0.0.2')).refusal?.error.code).toBe('UNAUTHORIZED');
  });

  test('after 30 wrong tokens answers a right one as a wrong one, but for tokens already in use', () => {
    const check = bearerGuard(tokens);
    check(bearer('any', '10.0.0.2'));
    for (let n = 0; n < 30; n += 1) check(bearer(`wrong-${n}`, '10.0.0.2'));
    const wrong = check(bearer('wrong', '10.0.0.2')).refusal;
    const right = check(bearer('long-token-of-one', '10.0.0.2')).refusal;
    expect(wrong?.error).toMatchObject({ code: 'RATE_LIMITED', httpStatus: 429, retryAfterSeconds: 2 });
    expect(right?.error.message).toBe(wrong?.error.message);
    expect(check(bearer('any', '10.0.0.2')).identity).toBeDefined();
    expect(check(bearer('long-token-of-one', '10.0.0.3')).identity, 'another address').toBeDefined();
  });
});

describe('the rate guard', () => {
  const from = (address: string) => requestWith({}, address);

  test('charges the token if there is one, else the address', () => {
    const check = rateGuard(2);
    const identity = { agentId: undefined, credential: 'c' };
    for (const address of ['10.0.0.1', '10.0.0.2']) expect(check(from(address), identity)).toBeUndefined();
    expect(check(from('10.0.0.3'), identity)?.error.message).toContain('with this token');
    expect(check(from('10.0.0.1'), undefined, 2)).toBeUndefined();
    expect(check(from('::ffff:10.0.0.1'), undefined)?.error).toMatchObject({
      code: 'RATE_LIMITED',
      httpStatus: 429,
      retryAfterSeconds: 30,
    });
  });

  test('allows a cost above the limit once, and any number with 0', () => {
    expect(rateGuard(2)(from('10.0.0.1'), undefined, 1_000)).toBeUndefined();
    const unlimited = rateGuard(0);
    for (let n = 0; n < 100; n += 1) expect(unlimited(from('10.0.0.1'), undefined)).toBeUndefined();
  });
});

describe('the guard against commands of tasks', () => {
  const local = { remoteAddress: '127.0.0.1', localAddress: '127.0.0.1', remotePort: 5, localPort: 3500 };

  test('asks once for each local connection, and refuses those that may be a command', async () => {
    const asked: object[] = [];
    const check = taskCommandGuard(async (connection) => asked.push(connection) > 0);
    expect((await check(local))?.error).toMatchObject({ code: 'FORBIDDEN', httpStatus: 403 });
    expect(await check(local)).toBeDefined();
    expect(asked).toEqual([{ remotePort: 5, localPort: 3500 }]);
  });

  test('allows connections from elsewhere, and all of them where nobody can be asked', async () => {
    expect(await taskCommandGuard(async () => true)({ ...local, remoteAddress: '10.0.0.2' })).toBeUndefined();
    expect(await taskCommandGuard(undefined)(local)).toBeUndefined();
  });
});
