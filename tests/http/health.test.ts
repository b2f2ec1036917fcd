import { expect, test } from 'vitest';
import { z } from 'zod';
import { answerOf, startServer } from './server.ts';

test('/health tells how things are, and stays 200 when something is not well', async () => {
  await using server = await startServer();
  const client = await server.client();
  await client.start();
  const health = () => answerOf(fetch(`${server.http.url}/health`));
  expect(await health()).toMatchObject({
    status: 200,
    type: expect.stringContaining('application/json'),
    body: {
      status: 'ok',
      version: '1.2.3',
      mode: 'opencode-server',
      uptime_ms: expect.any(Number),
      tasks: { running: 1, queued: 0, by_status: { running: 1 } },
      dependencies: [{ name: 'opencode', status: 'ok', detail: 'scripted' }],
    },
  });
  server.bridge.runner.dependencies = [{ name: 'opencode', status: 'down', detail: 'gone' }];
  expect(await health()).toMatchObject({ status: 200, body: { status: 'degraded' } });
});

test('/health is 200 also where the database does not answer: a restart would not mend it', async () => {
  await using server = await startServer();
  server.bridge.log.store.countByStatus = () => {
    throw new Error('disk I/O error');
  };
  const { status, body } = await answerOf(fetch(`${server.http.url}/health`));
  expect([status, body]).toMatchObject([200, { status: 'degraded', version: '1.2.3' }]);
  expect(JSON.stringify(body)).not.toContain('disk');
});

test('/health has the queue and the lag of sinks as numbers, which the tool leaves out', async () => {
  await using server = await startServer({ limits: { maxConcurrent: 1, maxQueued: 7 } });
  const client = await server.client();
  const health = async () => (await answerOf(fetch(`${server.http.url}/health`))).body;
  const running = await client.start({ agent_id: 'ann' });
  expect(await health()).toMatchObject({ queue: { length: 0, max: 7 } });
  const first = await client.start({ agent_id: 'bob' });
  for (const agent_id of ['ann', 'bob']) await client.start({ agent_id });
  const lag = { events: 3, tasks: 2, oldest_ms: 1_000 };
  server.bridge.runner.dependencies = [{ name: 'letta', status: 'ok', detail: 'behind', lag }];
  const report = z
    .object({ uptime_ms: z.number(), queue: z.object({ length: z.number(), oldest_ms: z.number() }) })
    .loose();
  const before = Date.now();
  const body = await health();
  const { queue } = report.parse(body);
  const acceptedAt = server.bridge.log.get(first)?.createdAt ?? 0;
  expect(queue.length).toBe(3);
  expect(queue.oldest_ms).toBeGreaterThanOrEqual(before - acceptedAt);
  expect(queue.oldest_ms).toBeLessThanOrEqual(Date.now() - acceptedAt);
  expect(body).toMatchObject({ dependencies: [{ name: 'letta', lag }] });
  const { structured } = await client.ok('health', { agent_id: 'ann' });
  expect(structured.dependencies).toEqual([{ name: 'letta', status: 'ok', detail: 'behind' }]);
  expect(Object.keys(structured)).not.toContain('queue');
  expect(server.bridge.log.get(running)?.status).toBe('running');
});

test('no half of a character is in its JSON', async () => {
  await using server = await startServer();
  server.bridge.runner.dependencies = [{ name: 'opencode', status: 'down', detail: 'gone \ud83d' }];
  for (const path of ['/health', '/ready']) {
    const text = await (await fetch(`${server.http.url}${path}`)).text();
    expect(text).toContain('gone \ufffd');
  }
});

test('/ready is 503 while a dependency is down or the bridge is stopping', async () => {
  await using server = await startServer();
  const ready = () => answerOf(fetch(`${server.http.url}/ready`));
  expect(await ready()).toMatchObject({ status: 200, body: { ready: true } });
  server.bridge.runner.dependencies = [{ name: 'opencode', status: 'degraded', detail: 'slow' }];
  expect(await ready()).toMatchObject({ status: 200, body: { ready: true } });
  server.bridge.runner.dependencies = [{ name: 'opencode', status: 'down', detail: 'gone' }];
  expect(await ready()).toMatchObject({
    status: 503,
    body: { ready: false, dependencies: [{ detail: 'gone' }] },
  });
  server.bridge.runner.dependencies = [];
  server.http.drain();
  expect(await ready()).toMatchObject({ status: 503, body: { ready: false } });
});

test('what is not served is 404 as JSON, and says what is', async () => {
  await using server = await startServer();
  for (const [method, path] of [
    ['GET', '/nothing'],
    ['GET', '/nothing?x=1'],
    ['POST', '/health'],
    ['GET', '/%ff'],
  ]) {
    const response = await fetch(`${server.http.url}${path}`, { method: method ?? '' });
    expect(response.headers.get('x-powered-by')).toBeNull();
    const { status, body } = await answerOf(response);
    expect([status, body]).toMatchObject([404, { code: 'NOT_FOUND' }]);
    expect(JSON.stringify(body)).not.toContain('node_modules');
  }
});

test('a failure inside is told without its inner life', async () => {
  await using server = await startServer();
  server.bridge.services.dependencies = () => {
    throw new Error('secret inner life');
  };
  const { status, body } = await answerOf(fetch(`${server.http.url}/ready`));
  expect(status).toBe(500);
  expect(body).toMatchObject({ code: 'INTERNAL' });
  expect(JSON.stringify(body)).not.toContain('secret');
  expect(server.bridge.logger.lines.join()).toContain('secret inner life');
});
