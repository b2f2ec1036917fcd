import { request } from 'node:http';
import { describe, expect, test, vi } from 'vitest';
import type { MetricsSource } from '../../src/http/metrics/metrics-endpoint.ts';
import { startServer } from '../http/server.ts';

function source() {
  const seen = vi.fn<MetricsSource['request']>();
  return { contentType: 'text/plain; version=0.0.4', text: async () => 'a 1\n', request: seen, seen };
}

/** As fetch, which sets no Host header. */
function get(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

describe('GET /metrics', () => {
  test('does not exist unless it is switched on', async () => {
    await using server = await startServer();
    expect((await fetch(`${server.http.url}/metrics`)).status).toBe(404);
  });

  test('is for this machine alone, called by a loopback name and past no proxy', async () => {
    await using server = await startServer({
      allowedHosts: ['bridge.example'],
      metrics: { source: source() },
    });
    const url = `${server.http.url}/metrics`;
    const response = await fetch(url);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.text()).toBe('a 1\n');
    expect(await get(url, { host: 'localhost:1' })).toBe(200);
    expect(await get(url, { host: 'bridge.example' })).toBe(403);
    expect(await get(url, { 'x-forwarded-for': '127.0.0.1' })).toBe(403);
    expect(await get(url, { forwarded: 'for=127.0.0.1' })).toBe(403);
    expect(await get(url, { origin: 'https://evil.example' })).toBe(403);
  });

  test('with a token is for its bearers alone; a token of clients is none', async () => {
    await using server = await startServer({
      tokens: [{ token: 'of-a-client' }],
      metrics: { source: source(), token: 'of-prometheus' },
    });
    const status = async (authorization?: string) =>
      (await fetch(`${server.http.url}/metrics`, { headers: authorization ? { authorization } : {} })).status;
    expect(await status('Bearer of-prometheus')).toBe(200);
    expect(await status()).toBe(401);
    expect(await status('Bearer of-a-client')).toBe(401);
    expect(
      (await fetch(`${server.http.url}/tasks`, { headers: { authorization: 'Bearer of-prometheus' } }))
        .status,
    ).toBe(401);
    const guesses = await Promise.all(Array.from({ length: 40 }, () => status('Bearer guess')));
    expect(guesses).toContain(429);
  });
});

test('responses are counted by route, never by path', async () => {
  const metrics = source();
  await using server = await startServer({ metrics: { source: metrics } });
  const { url } = server.http;
  for (const path of [
    '/tasks/task_0',
    '/tasks/task_0/files/a/b.txt',
    '/tasks',
    '/nothing/x',
    '/health',
    '/tasks/%ff',
  ]) {
    await (await fetch(`${url}${path}`)).text();
  }
  await (await fetch(`${url}/tasks`, { method: 'PROPFIND' })).text();
  await vi.waitFor(() => expect(metrics.seen).toHaveBeenCalledTimes(7), 60_000);
  expect(metrics.seen.mock.calls.map(([method, route, status]) => [method, route, status])).toEqual([
    ['GET', '/tasks/:task_id', 404],
    ['GET', '/tasks/:task_id/files/*path', 404],
    ['GET', '/tasks', 200],
    ['GET', 'none', 404],
    ['GET', '/health', 200],
    ['GET', 'none', 400],
    ['other', '/tasks', 405],
  ]);
});
