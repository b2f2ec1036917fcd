import { describe, expect, test } from 'vitest';
import { clientAddress, RateLimiter } from '../../src/http/guards/rate-limiter.ts';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('a bucket', () => {
  test('holds a minute of requests, fills evenly, and says how long to wait', () => {
    let now = 0;
    const limit = new RateLimiter(60, () => now);
    for (let n = 0; n < 60; n += 1) expect(limit.take('a')).toBeUndefined();
    expect(limit.take('a')).toBe(1);
    expect(limit.take('a', 30)).toBe(30);
    expect(limit.take('b')).toBeUndefined();
    now += 999;
    expect(limit.take('a')).toBe(1);
    now += 1;
    expect(limit.take('a')).toBeUndefined();
    expect(limit.take('a')).toBe(1);
    now += 3_600_000;
    expect(limit.wait('a', 60)).toBeUndefined();
    expect(limit.wait('a', 61)).toBe(1);
  });

  test('is remembered for a bounded number of callers', () => {
    const limit = new RateLimiter(2, () => 0);
    limit.take('regular', 2);
    for (let n = 0; n < 50_000; n += 1) {
      limit.take(`caller ${n}`);
      if (n % 100 === 0) limit.take('regular', 0);
    }
    expect(limit.size).toBe(10_000);
    expect(limit.wait('regular')).toBe(30);
    expect(limit.wait('caller 0', 2)).toBeUndefined();
    expect(limit.wait('caller 49999', 2)).toBe(30);
  });

  test.each([
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    [undefined, 'nowhere'],
  ])('of %j is that of %j', (remoteAddress, address) => {
    expect(clientAddress({ remoteAddress })).toBe(address);
  });
});

describe('requests to /mcp', () => {
  test('past the limit of a token are 429 with a time to wait; other tokens and health go on', async () => {
    const tokens = [{ token: 'one' }, { token: 'two' }];
    await using server = await startServer({ tokens, rateLimit: 20 });
    const headers = { ...bearer('one'), 'mcp-session-id': await beginSession(server.url, bearer('one')) };
    for (let n = 1; n < 20; n += 1) {
      expect((await post(server.url, request('ping'), headers)).status).toBe(200);
    }
    const response = await post(server.url, request('ping'), headers);
    expect(response.headers.get('retry-after')).toBe('3');
    expect(await answerOf(response)).toMatchObject({
      status: 429,
      body: {
        jsonrpc: '2.0',
        id: null,
        error: {
          code: -32000,
          message: expect.stringMatching(/20 requests a minute.*with this token \(MCP_RATE_LIMIT\).*in 3 s/),
          data: { code: 'RATE_LIMITED', next: expect.stringContaining('wait_ms'), retry_after_seconds: 3 },
        },
      },
    });
    await beginSession(server.url, bearer('two'));
    for (const path of ['/health', '/ready']) {
      expect((await fetch(`${server.http.url}${path}`)).status).toBe(200);
    }
  });

  test('without tokens the address counts; health does not', async () => {
    await using server = await startServer({ rateLimit: 2 });
    for (let n = 0; n < 50; n += 1) expect((await fetch(`${server.http.url}/health`)).status).toBe(200);
    await beginSession(server.url);
    await beginSession(server.url);
    const answer = await answerOf(post(server.url, 'not read'));
    expect(answer).toMatchObject({
      status: 429,
      body: { error: { message: expect.stringContaining('from 127.0.0.1') } },
    });
  });

  test('each message of a batch counts', async () => {
    await using server = await startServer({ rateLimit: 60 });
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    const batch = Array.from({ length: 58 }, (_, id) => request('ping', {}, id));
    const answers = await post(server.url, batch, headers);
    expect([answers.status, (await answers.text()).match(/"result"/g)?.length]).toEqual([200, 58]);
    expect((await post(server.url, request('ping'), headers)).status).toBe(200);
    expect((await post(server.url, batch, headers)).status).toBe(429);
  });

  test('0 is any number', async () => {
    await using server = await startServer({ rateLimit: 0 });
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    for (let n = 0; n < 100; n += 1) {
      expect((await post(server.url, request('ping'), headers)).status).toBe(200);
    }
  });
});

describe('guesses of tokens', () => {
  test('are answered 30 a minute; the right one among later ones is not told from the wrong', async () => {
    const tokens = [{ token: 'right' }, { token: 'in-use' }];
    await using server = await startServer({ tokens });
    const id = await beginSession(server.url, bearer('in-use'));
    const guess = (token: string) => post(server.url, request('initialize'), bearer(token));
    for (let n = 0; n < 30; n += 1) expect((await guess(`wrong-${n}`)).status).toBe(401);
    const [wrong, right] = [await guess('wrong'), await guess('right')];
    expect(wrong.headers.get('retry-after')).toBe('2');
    const answer = await answerOf(wrong);
    expect(answer).toMatchObject({
      status: 429,
      body: { error: { message: expect.stringContaining('from 127.0.0.1') } },
    });
    expect(await answerOf(right)).toEqual(answer);
    // Who worked through this address before works on, and who gives no token is asked for one.
    const headers = { ...bearer('in-use'), 'mcp-session-id': id };
    expect((await post(server.url, request('ping'), headers)).status).toBe(200);
    expect((await post(server.url, request('ping'))).status).toBe(401);
  });
});
