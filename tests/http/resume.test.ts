import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { describe, expect, test, vi } from 'vitest';
import { positionOf, StreamEvents } from '../../src/http/stream-events.ts';
import { connectClient } from '../mcp/bridge.ts';
import { startFaultyProxy } from '../support/proxy.ts';
import { cancellation, messagesOf, waitCall } from './messages.ts';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

const VERSION = { 'mcp-protocol-version': '2025-11-25' };
type Server = Awaited<ReturnType<typeof startServer>>;

/** Reads a response until it matches; the line stays open. */
async function readUntil(response: Response, pattern: RegExp) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const match = pattern.exec(text);
    if (match) return { match, text, reader };
    const { value, done } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) throw new Error(`it ended before ${pattern}: ${text}`);
    text += value;
  }
}

/** A call that waits for a task, on a line that can be cut. */
async function waitOnLine(server: Server, id: number | string = 1) {
  const session = await beginSession(server.url);
  const headers = { ...VERSION, 'mcp-session-id': session };
  const client = await server.client();
  const task = await client.start();
  const line = new AbortController();
  const response = await post(server.url, waitCall(task, id), headers, line.signal);
  const { match } = await readUntil(response, /id: (\S+)/);
  const [, eventId = ''] = match;
  const resume = (from = eventId, more: Record<string, string> = {}, signal?: AbortSignal) =>
    fetch(server.url, {
      headers: { ...headers, accept: 'text/event-stream', 'last-event-id': from, ...more },
      ...(signal ? { signal } : {}),
    });
  const end = async () => (await server.bridge.runner.turnOf(task)).complete('All is done.');
  return { session, headers, task, line, eventId, resume, end };
}

const done = (id: number | string = 1) => ({ id, result: { structuredContent: { status: 'completed' } } });

describe('a line that is cut', () => {
  test.each([
    ['before the end of the task', false],
    ['and the task ends meanwhile', true],
  ])('%s costs a client of the SDK nothing: its call gets the answer', async (_, endsMeanwhile) => {
    await using server = await startServer();
    const proxy = await startFaultyProxy(server.http.url);
    const methods: string[] = [];
    proxy.fault = (method) => void methods.push(method);
    const client = await connectClient(new StreamableHTTPClientTransport(new URL(`${proxy.url}/mcp`)));
    const task = await client.start();
    const run = await server.bridge.runner.turnOf(task);
    const opened = Promise.withResolvers<string>();
    const outcome = client.ok(
      'get_task_status',
      { task_id: task, wait_ms: 50_000 },
      { onresumptiontoken: opened.resolve },
    );
    await opened.promise;
    const before = methods.filter((it) => it === 'GET').length;
    proxy.cut();
    if (endsMeanwhile) run.complete('All is done.');
    await vi.waitUntil(() => methods.filter((it) => it === 'GET').length > before, { timeout: 60_000 });
    run.complete('All is done.');
    expect((await outcome).structured).toMatchObject({
      status: 'completed',
      result: { summary: 'All is done.' },
    });
    await client.close();
    await proxy.close();
  });

  test('is resumed where it was: what came meanwhile, then what comes, each once', async () => {
    await using server = await startServer();
    const call = await waitOnLine(server, 'abc');
    call.line.abort();
    const line = new AbortController();
    const resumed = await call.resume(call.eventId, {}, line.signal);
    expect(resumed.headers.get('content-type')).toContain('text/event-stream');
    expect(resumed.headers.get('mcp-session-id')).toBe(call.session);
    line.abort();
    await call.end();
    const messages = await messagesOf(call.resume());
    expect(messages).toMatchObject([done('abc')]);
    const again = await (await call.resume()).text();
    expect(again).toContain('"completed"');
    const [, last = ''] = /^id: (\S+)$/m.exec(again) ?? [];
    expect((await call.resume(last)).status).toBe(204);
  });

  test('that the bridge has not noticed yet is replaced', async () => {
    await using server = await startServer();
    const call = await waitOnLine(server);
    const resumed = messagesOf(call.resume());
    await call.end();
    expect(await resumed).toMatchObject([done()]);
  });

  test('is waited for a while; then the call is abandoned, and who comes later is told', async () => {
    await using server = await startServer({ resume: { graceMs: 50, maxOfSession: 16, maxSize: 1e6 } });
    const call = await waitOnLine(server, 7);
    const abandoned = Promise.withResolvers<string>();
    server.bridge.services.onToolCall = abandoned.resolve;
    call.line.abort();
    expect(await abandoned.promise).toBe('get_task_status');
    const text = await (await call.resume()).text();
    expect(text).toContain('cannot be resumed');
    expect(text).toContain('"id":7');
    const [, last = ''] = /^id: (\S+)$/m.exec(text) ?? [];
    expect((await call.resume(last)).status).toBe(204);
  });

  test('after a restart of the bridge is answered by an error at once, and the session goes on', async () => {
    await using server = await startServer();
    await server.restart({ sessionStore: server.bridge.mcpSessions });
    const call = await waitOnLine(server, 'x');
    call.line.abort();
    await server.restart({ sessionStore: server.bridge.mcpSessions });
    expect(await messagesOf(call.resume())).toMatchObject([
      { id: 'x', error: { message: expect.stringMatching(/restarted.*Tasks are kept/) } },
    ]);
    expect((await post(server.url, request('ping'), call.headers)).status).toBe(200);
  });

  test('can still be cancelled', async () => {
    await using server = await startServer();
    const call = await waitOnLine(server, 5);
    call.line.abort();
    expect((await post(server.url, cancellation(5), call.headers)).status).toBe(202);
    expect((await call.resume()).status).toBe(204);
  });

  test('of a client that cannot resume ends its call at once', async () => {
    await using server = await startServer();
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    const client = await server.client();
    const task = await client.start();
    const line = new AbortController();
    const response = await post(server.url, waitCall(task), headers, line.signal);
    line.abort();
    await response.text().catch(() => undefined);
    const begun = performance.now();
    await server.http.close();
    expect(performance.now() - begun).toBeLessThan(2_500);
  });
});

describe('a stream', () => {
  test('is resumed by its own session only', async () => {
    const tokens = [{ token: 'one' }, { token: 'two' }];
    await using server = await startServer();
    const call = await waitOnLine(server);
    const other = await beginSession(server.url);
    const text = await (await call.resume(call.eventId, { 'mcp-session-id': other })).text();
    expect(text).toContain('cannot be resumed');
    await call.end();
    expect(await messagesOf(call.resume())).toMatchObject([done()]);
    await server.restart({ tokens });
    const bearer = { authorization: 'Bearer one' };
    const id = await beginSession(server.url, bearer);
    const stolen = { 'mcp-session-id': id, authorization: 'Bearer two' };
    expect((await call.resume(call.eventId, stolen)).status).toBe(404);
  });

  test.each(['x', '0', '..', `${'0'.repeat(36)}.1`, `${'a'.repeat(36)}.1.!`, 'ä'])(
    'has no event %j',
    async (eventId) => {
      await using server = await startServer();
      const headers = {
        'mcp-session-id': await beginSession(server.url),
        accept: 'text/event-stream',
        'last-event-id': eventId,
      };
      const { status, body } = await answerOf(fetch(server.url, { headers }));
      expect([status, body]).toMatchObject([400, { error: { data: { code: 'INVALID_INPUT' } } }]);
    },
  );

  test('whose event ids a client made up tells it nothing but its own words', async () => {
    await using server = await startServer();
    const headers = { 'mcp-session-id': await beginSession(server.url), accept: 'text/event-stream' };
    const made = (ids: unknown) =>
      `${'a'.repeat(36)}.1.${Buffer.from(JSON.stringify(ids)).toString('base64url')}`;
    const resume = (id: string) => fetch(server.url, { headers: { ...headers, 'last-event-id': id } });
    for (const ids of [[], {}, [null], [{ id: 1 }], [1.5], 'x', ['x'.repeat(1_000)]]) {
      expect((await resume(made(ids))).status, JSON.stringify(ids)).toBe(204);
    }
    expect(await messagesOf(resume(made([1, 'data: x\n\nevent: y'])))).toMatchObject([
      { id: 1, error: { code: -32_000 } },
      { id: 'data: x\n\nevent: y', error: { code: -32_000 } },
    ]);
  });

  test('keeps the form that is open, however much progress comes after it', async () => {
    const events = new StreamEvents([1]);
    const first = await events.storeEvent('', {});
    for (const id of ['a', 'b', 'c']) {
      await events.storeEvent('', { jsonrpc: '2.0', id, method: 'elicitation/create', params: {} });
    }
    for (let progress = 0; progress < 100; progress += 1) {
      await events.storeEvent('', { jsonrpc: '2.0', method: 'notifications/progress', params: { progress } });
    }
    const seen: string[] = [];
    const send = ({ json }: { json: string }) => seen.push(json);
    events.read(positionOf(first) ?? expect.unreachable(), { send, end() {} });
    expect(seen.filter((json) => json.includes('elicitation')).map((json) => JSON.parse(json).id)).toEqual([
      'b',
      'c',
    ]);
    expect(seen).toHaveLength(22);
  });

  test('keeps the last progress only, and every answer', async () => {
    const events = new StreamEvents([1]);
    let size = 0;
    events.onSize = (change) => {
      size += change;
    };
    const first = await events.storeEvent('', {});
    for (let progress = 0; progress < 1_000; progress += 1) {
      const params = { progressToken: 1, progress };
      await events.storeEvent('', { jsonrpc: '2.0', method: 'notifications/progress', params });
    }
    await events.storeEvent('', { jsonrpc: '2.0', id: 1, result: {} });
    const seen: { id: string; json: string }[] = [];
    events.read(positionOf(first) ?? expect.unreachable(), { send: (it) => seen.push(it), end() {} });
    expect(seen).toHaveLength(21);
    expect(seen.at(-1)?.json).toContain('"result"');
    expect(size).toBe(events.size);
    expect(size).toBeLessThan(15_000);
  });

  test('of a session that cuts its lines without end: 16 wait, the others are abandoned', async () => {
    await using server = await startServer();
    const call = await waitOnLine(server, 0);
    const lines: AbortController[] = [call.line];
    const eventIds: string[] = [call.eventId];
    for (let n = 1; n < 40; n += 1) {
      const line = new AbortController();
      const response = await post(server.url, waitCall(call.task, n), call.headers, line.signal);
      eventIds.push((await readUntil(response, /id: (\S+)/)).match[1] ?? '');
      lines.push(line);
    }
    for (const line of lines) line.abort();
    await call.end();
    const kept = async () => {
      const texts = await Promise.all(eventIds.map(async (id) => (await call.resume(id)).text()));
      return texts.filter((text) => text.includes('"completed"')).length;
    };
    await expect.poll(kept).toBe(16);
  });
});
