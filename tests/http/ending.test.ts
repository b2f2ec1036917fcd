import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import type { TestClient } from '../mcp/bridge.ts';
import { messagesOf, outcomeOf, waitCall, waitFor, within } from './messages.ts';
import { open } from './raw.ts';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

type Server = Awaited<ReturnType<typeof startServer>>;

/** Resolves when as many calls follow this task as that. */
async function followed(server: Server, count: number): Promise<void> {
  const { execution } = server.bridge;
  const follow = execution.follow.bind(execution);
  let seen = 0;
  const reached = Promise.withResolvers<void>();
  execution.follow = (...args) => {
    seen += 1;
    if (seen >= count) reached.resolve();
    return follow(...args);
  };
  await reached.promise;
}

async function waitingClient(server: Server): Promise<{ client: TestClient; task: string }> {
  const client = await server.client();
  return { client, task: await client.start() };
}

describe('a bridge that stops', () => {
  test('has waiting calls answer with the task as it is and how to go on, then ends at once', async () => {
    await using server = await startServer();
    const { client, task } = await waitingClient(server);
    const waiting = followed(server, 2);
    const status = outcomeOf(client, task);
    const sync = client.call('opencode_execute_task', { task_description: 'x', sync: true });
    await waiting;
    const begun = performance.now();
    await server.http.close();
    expect(performance.now() - begun).toBeLessThan(2_500);
    const next = expect.stringMatching(
      /^The bridge is stopping.*tasks are kept.*get_task_status with task_id "task_/,
    );
    expect(await status).toMatchObject({ task_id: task, status: 'running', next });
    const executed = await sync;
    expect(executed.structured).toMatchObject({ next });
    expect(executed.text).toContain('The bridge is stopping');
    await expect(fetch(server.url)).rejects.toThrow();
  });

  test('answers calls in whatever form they wait for', async () => {
    await using server = await startServer();
    const { task } = await waitingClient(server);
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    const waiting = followed(server, 3);
    const call = { name: 'get_task_status', arguments: { task_id: task, wait_ms: 50_000 } };
    const stream = messagesOf(waitFor(server.url, task, headers));
    const json = answerOf(
      post(server.url, request('tools/call', call), { ...headers, accept: 'application/json' }),
    );
    const batch = messagesOf(
      post(server.url, [request('tools/call', call, 2), request('ping', {}, 3)], headers),
    );
    await waiting;
    await server.http.close();
    const answer = { result: { structuredContent: { status: 'running' } } };
    expect(await stream).toMatchObject([answer]);
    expect(await json).toMatchObject({ status: 200, body: answer });
    expect(await batch).toMatchObject([{ id: 3 }, { id: 2, ...answer }]);
  });

  test('refuses what comes meanwhile as retryable, under its id', async () => {
    await using server = await startServer();
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    const client = await server.client();
    const begun = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const { execution } = server.bridge;
    const execute = execution.execute.bind(execution);
    execution.execute = async (...args) => {
      begun.resolve();
      await release.promise;
      return execute(...args);
    };
    const working = client.call('opencode_execute_task', { task_description: 'x' });
    await begun.promise;
    const body = JSON.stringify(request('ping', {}, 9));
    const head = [
      'POST /mcp HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/json',
      `Mcp-Session-Id: ${headers['mcp-session-id']}`,
      `Content-Length: ${body.length}`,
    ];
    // A request that has begun before: new connections are not taken any more.
    const socket = open(server.http.port).setEncoding('latin1');
    socket.write(`${head.join('\r\n')}\r\n\r\n${body.slice(0, 5)}`);
    expect((await post(server.url, request('ping'), headers)).status).toBe(200);
    const closed = server.http.close();
    socket.write(body.slice(5));
    const [, said = '', answer = ''] = /^(.*?)\r\n\r\n(.*)$/s.exec(await text(socket)) ?? [];
    expect(said).toMatch(/^HTTP\/1.1 503 .*retry-after: 5/is);
    expect(JSON.parse(answer)).toMatchObject({ id: 9, error: { data: { code: 'SHUTTING_DOWN' } } });
    release.resolve();
    expect((await working).structured).toMatchObject({ task_id: expect.stringMatching(/^task_/) });
    await closed;
  });

  test('does not wait for ever for a call that does not answer: it is an error', async () => {
    await using server = await startServer();
    const client = await server.client();
    const session = { 'mcp-session-id': await beginSession(server.url), accept: 'application/json' };
    const begun = Promise.withResolvers<void>();
    let calls = 0;
    server.bridge.execution.execute = () => {
      calls += 1;
      if (calls === 2) begun.resolve();
      return new Promise(() => undefined);
    };
    const order = { name: 'opencode_execute_task', arguments: { task_description: 'x' } };
    const stuck = client.call(order.name, order.arguments).catch(String);
    const alsoStuck = answerOf(post(server.url, request('tools/call', order, 5), session));
    await begun.promise;
    const started = performance.now();
    await server.http.close();
    expect(performance.now() - started).toBeLessThan(8_000);
    expect(await stuck).toContain('ended before there was an answer');
    expect(await alsoStuck).toMatchObject({
      body: { id: 5, error: { message: expect.stringContaining('ended') } },
    });
  });

  test('waits for nobody who is gone, in whatever form the answer was to be', async () => {
    await using server = await startServer();
    const { task } = await waitingClient(server);
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    const waiting = followed(server, 2);
    const gone = new AbortController();
    for (const accept of ['application/json', 'text/event-stream']) {
      const call = post(server.url, waitCall(task), { ...headers, accept }, gone.signal);
      call.then((response) => response.text()).catch(() => undefined);
    }
    await waiting;
    gone.abort();
    const begun = performance.now();
    await server.http.close();
    expect(performance.now() - begun).toBeLessThan(2_500);
  });
});

describe('a session that is ended', () => {
  const said = (text: RegExp) => ({ status: 'running', next: expect.stringMatching(text) });

  test('by DELETE answers its waiting calls first', async () => {
    await using server = await startServer();
    const { task } = await waitingClient(server);
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    const waiting = followed(server, 1);
    const stream = messagesOf(waitFor(server.url, task, headers));
    await waiting;
    expect((await fetch(server.url, { method: 'DELETE', headers })).status).toBe(200);
    expect(await stream).toMatchObject([
      { result: { structuredContent: said(/^This session was ended.*new session.*get_task_status/) } },
    ]);
    expect((await post(server.url, request('ping'), headers)).status).toBe(404);
  });

  test('for room: first the unused, then the one that only listens, then one that waits, which is answered', async () => {
    await using server = await startServer({ sessions: { max: 3, idleMs: 60_000 } });
    const headers = async () => ({ 'mcp-session-id': await beginSession(server.url) });
    const waitingSession = await headers();
    const run = await post(
      server.url,
      request('tools/call', { name: 'opencode_execute_task', arguments: { task_description: 'x' } }),
      waitingSession,
    );
    const [{ result }] = (await messagesOf(run)) as [{ result: { structuredContent: { task_id: string } } }];
    const waiting = followed(server, 1);
    const stream = messagesOf(waitFor(server.url, result.structuredContent.task_id, waitingSession));
    await waiting;
    const listening = await headers();
    const listen = await fetch(server.url, { headers: { ...listening, accept: 'text/event-stream' } });
    const unused = await headers();
    const alive = async (session: Record<string, string>) =>
      (await post(server.url, request('ping'), session)).status === 200;

    const second = await headers();
    expect(await alive(unused)).toBe(false);
    const hold = await fetch(server.url, { headers: { ...second, accept: 'text/event-stream' } });
    const third = await headers();
    expect([await alive(waitingSession), await alive(listening), await alive(second)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(await listen.text(), 'its stream has ended').toBe('');
    expect(await within(20, stream), 'the call goes on').toBeUndefined();

    const task = result.structuredContent.task_id;
    const others = [waitFor(server.url, task, second), waitFor(server.url, task, third)].map(messagesOf);
    await Promise.all([post(server.url, request('ping'), second), post(server.url, request('ping'), third)]);
    await headers();
    expect(await stream).toMatchObject([{ result: { structuredContent: said(/^This session makes room/) } }]);
    expect([await alive(waitingSession), await alive(second), await alive(third)]).toEqual([
      false,
      true,
      true,
    ]);
    for (const other of others) expect(await within(20, other)).toBeUndefined();
    await hold.body?.cancel();
  });

  test('is never one with a call that waits for idleness, however long that takes', async () => {
    await using server = await startServer({ sessions: { max: 10, idleMs: 40 } });
    const { client, task } = await waitingClient(server);
    const headers = { 'mcp-session-id': await beginSession(server.url) };
    const waiting = followed(server, 1);
    const stream = messagesOf(waitFor(server.url, task, headers));
    await waiting;
    const idle = await beginSession(server.url);
    await expect
      .poll(async () => (await post(server.url, request('ping'), { 'mcp-session-id': idle })).status, {
        interval: 100,
      })
      .toBe(404);
    (await server.bridge.runner.turnOf(task)).complete('done');
    expect(await stream).toMatchObject([{ result: { structuredContent: { status: 'completed' } } }]);
    await client.close();
  });
});
