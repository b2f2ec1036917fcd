import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { heldBytes } from '../support/memory.ts';
import { closed, open, say, statusOf, wire } from './raw.ts';
import { RestClient, startApi } from './rest.ts';
import { refusalOf, SocketClient, type SocketFrame } from './socket-client.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const ended = { code: 1000, reason: 'ended' };
const kindOf = (frame: SocketFrame) => frame.event?.kind;

async function started(options: Parameters<typeof startApi>[0] = {}) {
  const server = await startApi(options);
  const id = await server.api.start();
  const turn = await server.runner.turnOf(id);
  const follow = (query = '', headers: Record<string, string> = {}) =>
    new SocketClient(`${server.http.url}/tasks/${id}/stream${query}`, headers);
  return { ...server, id, turn, follow, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

describe('the WebSocket of a task', () => {
  test('replays its events, follows it, and says that it has ended', async () => {
    await using task = await started();
    task.turn.tool('bash', 'before');
    const client = task.follow('?view=events');
    await client.until((frame) => kindOf(frame) === 'tool');
    task.turn.tool('bash', 'after');
    task.turn.complete('done');
    expect(await client.closed).toEqual(ended);
    const { events } = await task.api.stream(`/tasks/${task.id}/events`);
    expect(client.frames).toEqual(events.map(({ data }) => ({ type: 'event', event: data })));
    const later = task.follow('?view=events&after_seq=3');
    expect(await later.closed).toEqual(ended);
    expect(later.frames).toEqual(client.frames.slice(3));
  });

  test('shows it as a terminal does, unless it is asked for events', async () => {
    await using task = await started();
    const client = task.follow();
    task.turn.tool('bash', 'make', '\u001b[32mgreen\u001b[0m');
    task.turn.emit({ kind: 'warning', code: 'X', message: 'careful' });
    task.turn.emit({ kind: 'output', text: 'I am done.', message_id: 'm', part_id: 'p' });
    task.turn.complete('done');
    expect(await client.closed).toEqual(ended);
    expect(client.text('stdout')).toBe('$ make\n\u001b[32mgreen\u001b[0m\nI am done.\n');
    expect(client.text('stderr')).toBe('warning X: careful\n');
    const states = client.frames.filter(({ type }) => type === 'status').map(({ data }) => data);
    expect(states).toEqual(['queued', 'running', 'completed']);
    for (const { timestamp, seq } of client.frames) {
      expect(timestamp).toMatch(/^\d{4}-\d\d-\d\dT/);
      expect(seq).toBeGreaterThan(0);
    }
  });

  test('takes messages, controls and answers, and acknowledges each', async () => {
    await using task = await started();
    const client = task.follow('?view=events');
    expect(await client.command('message', { message: 'More.' })).toMatchObject({
      type: 'ack',
      delivery: 'queue',
    });
    task.turn.ask({ id: 'per_1', type: 'permission' });
    await client.until((frame) => kindOf(frame) === 'request_opened');
    expect(await client.command('answer', { request_id: 'per_1' })).toMatchObject({
      type: 'error',
      code: 'INVALID_INPUT',
    });
    expect(await client.command('answer', { request_id: 'per_1', reply: 'once' })).toMatchObject({
      type: 'ack',
      request_id: 'per_1',
      outcome: 'closed: once',
    });
    expect(await client.command('answer', { request_id: 'per_1', reply: 'once' })).toMatchObject({
      code: 'REQUEST_CLOSED',
    });
    expect(await client.command('message', { message: ' ' })).toMatchObject({ code: 'INVALID_INPUT' });
    expect(await client.command('message', { text: 'x' })).toMatchObject({ code: 'INVALID_INPUT' });
    expect(await client.command('restart')).toMatchObject({
      code: 'INVALID_INPUT',
      detail: expect.stringContaining('is not one of message, cancel, pause, resume, answer'),
    });
    client.socket.send('no json');
    expect(await client.until(({ detail }) => /no json/.test(detail))).toMatchObject({ type: 'error' });
    client.socket.send(Buffer.from([1, 2]));
    expect(await client.until(({ detail }) => /binary/.test(detail))).toMatchObject({ type: 'error' });
    expect(await client.command('cancel', { reason: 'enough' })).toMatchObject({
      type: 'ack',
      status: 'cancelled',
    });
    expect(await client.closed).toEqual(ended);
  });

  test('that is cut at any moments and resumed by after_seq gives each event once', async () => {
    await using server = await startApi();
    const { api, runner } = server;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 }), async (cuts) => {
        const id = await api.start();
        const turn = await runner.turnOf(id);
        const seen: number[] = [];
        const follow = async (): Promise<void> => {
          for (const take of [...cuts, Number.POSITIVE_INFINITY]) {
            const url = `${server.http.url}/tasks/${id}/stream?view=events&after_seq=${seen.at(-1) ?? 0}`;
            const client = new SocketClient(url);
            await Promise.race([
              client.closed,
              take === Number.POSITIVE_INFINITY
                ? client.closed
                : client.until(() => client.frames.length >= take),
            ]).catch(() => undefined);
            client.socket.terminate();
            await client.closed;
            seen.push(...client.frames.slice(0, take).map(({ event }) => event.seq));
          }
        };
        const following = follow();
        for (const n of numbers(12)) {
          turn.tool('bash', `step ${n}`);
          if (n % 4 === 0) await pause(1);
        }
        turn.complete('done');
        await following;
        const { body } = await api.get(`/tasks/${id}`);
        expect(seen).toEqual(numbers(body.last_seq));
      }),
      { numRuns: 20 },
    );
  });

  test('of a client that reads nothing is closed with how to go on; memory stays, and the task goes on', async () => {
    await using task = await started({ socketLimits: { pingMs: 20_000, stallMs: 300 } });
    const clients = numbers(10).map(() => task.follow('?view=events'));
    await Promise.all(clients.map((client) => client.until(() => true)));
    for (const { socket } of clients) socket.pause();
    const before = heldBytes();
    for (const n of numbers(1_500)) {
      task.turn.tool('bash', `step ${n}`, 'x'.repeat(10_000));
      if (n % 50 === 0) await pause(1);
    }
    expect(heldBytes() - before).toBeLessThan(100_000_000);
    await pause(400);
    for (const { socket } of clients) socket.resume();
    const [{ code, reason } = { code: 0, reason: '' }] = await Promise.all(
      clients.map(({ closed }) => closed),
    );
    task.turn.complete('done');
    await task.api.get(`/tasks/${task.id}/status?wait_ms=20000`);
    expect([4408, 1006]).toContain(code);
    const after =
      code === 4408 ? Number(/after_seq=(\d+)$/.exec(reason)?.[1]) : clients[0]?.frames.at(-1)?.event.seq;
    const resumed = task.follow(`?view=events&after_seq=${after}`);
    expect(await resumed.closed).toEqual(ended);
    const seqs = [...(clients[0]?.frames ?? []), ...resumed.frames].map(({ event }) => event.seq);
    const { body } = await task.api.get(`/tasks/${task.id}`);
    expect([...new Set(seqs)]).toEqual(numbers(body.last_seq));
  });

  test('is closed when the bridge stops', async () => {
    const task = await started();
    const client = task.follow('?view=events');
    await client.until(() => true);
    const last = () => client.frames.at(-1)?.event.seq;
    await vi.waitUntil(() => last() >= 3, 60_000);
    await task.http.close();
    expect(await client.closed).toEqual({ code: 1001, reason: `stopping: resume with after_seq=${last()}` });
    await task[Symbol.asyncDispose]();
  });

  test('of a client that no longer answers pings is closed', async () => {
    await using task = await started({ socketLimits: { pingMs: 100, stallMs: 300 } });
    const socket = open(task.http.port);
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13';
    socket.write(
      `GET /tasks/${task.id}/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n\r\n`,
    );
    socket.resume();
    await closed(socket);
  });

  test('takes a frame as large as a body, and none larger', async () => {
    await using task = await started({ maxBodyBytes: 100_000 });
    const client = task.follow('?view=events');
    expect(await client.command('message', { message: 'x'.repeat(90_000) })).toMatchObject({ type: 'ack' });
    client.socket.send('x'.repeat(1_000_000));
    expect(await client.closed).toMatchObject({ code: 1009 });
  });
});

describe('an upgrade', () => {
  test('of another agent, path or origin is refused as an HTTP request is', async () => {
    await using task = await started({ allowedOrigins: ['https://ui.example'] });
    const url = `${task.http.url}/tasks/${task.id}/stream`;
    const refused = async (at: string, headers: Record<string, string> = {}) => {
      const { status, type, body } = await refusalOf(at, headers);
      expect(type).toBe('application/problem+json');
      return [status, body.code];
    };
    expect(await refused(url, { 'x-agent-id': 'other' })).toEqual([404, 'TASK_NOT_FOUND']);
    expect(await refused(`${task.http.url}/tasks/task_none/stream`)).toEqual([404, 'TASK_NOT_FOUND']);
    expect(await refused(`${task.http.url}/mcp`)).toEqual([404, 'NOT_FOUND']);
    expect(await refused(url, { origin: 'https://evil.example' })).toEqual([403, 'FORBIDDEN']);
    expect(await refused(url, { host: 'evil.example' })).toEqual([403, 'FORBIDDEN']);
    expect(await refused(`${url}?view=x`)).toEqual([400, 'INVALID_INPUT']);
    expect(await refused(`${url}?after_seq=-1`)).toEqual([400, 'INVALID_INPUT']);
    expect(await refused(`${url}?after_seq=1&after_seq=2`)).toEqual([400, 'INVALID_INPUT']);
    expect(await refused(`${url}?ticket=x`)).toEqual([401, 'UNAUTHORIZED']);
    const page = new SocketClient(url, { origin: 'https://ui.example' });
    await page.until(() => true);
    page.socket.terminate();
  });

  test('to something else than a WebSocket is answered in plain HTTP', async () => {
    await using task = await started();
    const headers = ['Host: localhost', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'];
    expect(statusOf(await say(task.http.port, wire(`GET /tasks/${task.id}`, headers)))).toBe(200);
    expect(statusOf(await say(task.http.port, wire(`GET /tasks/${task.id}/stream`)))).toBe(404);
  });
});

describe('a ticket', () => {
  async function withTokens() {
    const server = await startApi({
      tokens: [{ token: 'secret-of-ann', agentId: 'ann' }],
      allowedOrigins: ['https://ui.example'],
    });
    const api = new RestClient(server.http.url, { authorization: 'Bearer secret-of-ann' });
    const ids = [await api.start(), await api.start()];
    const urlOf = (id: string | undefined, ticket: string) =>
      `${server.http.url}/tasks/${id}/stream?view=events&ticket=${ticket}`;
    const ticketFor = async (id: string | undefined): Promise<string> => {
      const { status, body } = await api.post('/tickets', { task_id: id });
      expect([status, Date.parse(body.expires_at) > Date.now()]).toEqual([201, true]);
      return body.ticket;
    };
    return {
      ...server,
      api,
      ids,
      urlOf,
      ticketFor,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  }

  test('opens the WebSocket of its task in a browser, once', async () => {
    await using server = await withTokens();
    const [id] = server.ids;
    expect(await refusalOf(`${server.http.url}/tasks/${id}/stream`)).toMatchObject({ status: 401 });
    const ticket = await server.ticketFor(id);
    // As a browser: without a header of its own.
    const socket = new WebSocket(server.urlOf(id, ticket).replace('http', 'ws'));
    const [message] = await once(socket, 'message');
    expect(JSON.parse(message.data)).toMatchObject({
      type: 'event',
      event: { kind: 'created', agent_id: 'ann' },
    });
    socket.close();
    expect(await refusalOf(server.urlOf(id, ticket))).toMatchObject({
      status: 401,
      body: { next: expect.stringContaining('POST /tickets') },
    });
  });

  test('is for its task alone, and used up by a try', async () => {
    await using server = await withTokens();
    const [one, two] = server.ids;
    const ticket = await server.ticketFor(one);
    expect(await refusalOf(server.urlOf(two, ticket))).toMatchObject({ status: 401 });
    expect(await refusalOf(server.urlOf(one, ticket))).toMatchObject({ status: 401 });
  });

  test('does not open a page of another origin', async () => {
    await using server = await withTokens();
    const [id] = server.ids;
    const url = server.urlOf(id, await server.ticketFor(id));
    expect(await refusalOf(url, { origin: 'https://evil.example' })).toMatchObject({ status: 403 });
    expect(
      await server.api.post('/tickets', { task_id: id }, { origin: 'https://evil.example' }),
    ).toMatchObject({ status: 403 });
  });

  test('is for own tasks, and there are not many at once', async () => {
    await using server = await withTokens();
    const [id] = server.ids;
    expect(await server.api.post('/tickets', { task_id: 'task_none' })).toMatchObject({ status: 404 });
    expect(await new RestClient(server.http.url).post('/tickets', { task_id: id })).toMatchObject({
      status: 401,
    });
    let last = 0;
    for (let n = 0; n < 101; n += 1) last = (await server.api.post('/tickets', { task_id: id })).status;
    expect(last).toBe(429);
  });
});
