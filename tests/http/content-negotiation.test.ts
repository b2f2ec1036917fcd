import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cancellation, messagesOf, waitCall, within } from './messages.ts';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

let server: Awaited<ReturnType<typeof startServer>>;
let session: Record<string, string>;

beforeAll(async () => {
  server = await startServer({ toolLimits: { maxWaitMs: 50_000, progressEveryMs: 1, keepAliveMs: 10 } });
  session = { 'mcp-session-id': await beginSession(server.url) };
});
afterAll(() => server[Symbol.asyncDispose]());

interface Answer {
  status: number;
  type: string | undefined;
  body: string;
}

/** A request whose Accept header is that one alone, or none: fetch always sends one. */
function send(method: string, accept: string | undefined, body?: object, url = server.url): Promise<Answer> {
  const headers = {
    ...session,
    ...(accept === undefined ? {} : { accept }),
    ...(body ? { 'content-type': 'application/json' } : {}),
  };
  return new Promise((resolve, reject) => {
    const sent = httpRequest(url, { method, headers, agent: false }, async (response) => {
      const { statusCode: status = 0, headers } = response;
      const type = headers['content-type'];
      if (method === 'GET' && status === 200) response.destroy();
      resolve({ status, type, body: response.destroyed ? '' : await text(response) });
    }).on('error', reject);
    sent.end(body && JSON.stringify(body));
  });
}

const JSON_TYPE = 'application/json';
const STREAM = 'text/event-stream';

describe('a call', () => {
  test.each([
    ['application/json', JSON_TYPE],
    ['application/json; charset=utf-8', JSON_TYPE],
    ['APPLICATION/JSON', JSON_TYPE],
    ['application/*', JSON_TYPE],
    ['application/json, text/plain, */*', JSON_TYPE],
    ['*/*', JSON_TYPE],
    [undefined, JSON_TYPE],
    ['', JSON_TYPE],
    ['application/json, text/event-stream;q=0', JSON_TYPE],
    ['text/event-stream', STREAM],
    ['Text/Event-Stream', STREAM],
    ['text/*', STREAM],
    ['text/event-stream, */*;q=0.1', STREAM],
    ['application/json, text/event-stream', STREAM],
    ['application/json;q=0.9,text/event-stream;q=0.1', STREAM],
    ['application/json;q=0, */*', STREAM],
    ['application/json; charset=utf-8, text/event-stream; charset=utf-8', STREAM],
    ['text/*;q=0.5, text/event-stream;q=0.000, */*', JSON_TYPE],
    ['text/event-stream;q=high', STREAM],
  ])('that accepts %j is answered as %s', async (accept, type) => {
    const answer = await send('POST', accept, request('ping', {}, 5));
    expect([answer.status, answer.type?.split(';')[0]], answer.body).toEqual([200, type]);
    const json = type === STREAM ? /^data: (.+)$/m.exec(answer.body)?.[1] : answer.body;
    expect(JSON.parse(json ?? '')).toEqual({ jsonrpc: '2.0', id: 5, result: {} });
  });

  test.each([
    'text/html',
    'text/plain',
    'application/xml;q=0.9',
    'application/json;q=0',
    'json',
    'x'.repeat(5_000),
  ])('that accepts %j is 406 with its id, and says what is answered here', async (accept) => {
    const { status, body } = await send('POST', accept, request('ping', {}, 5));
    const message = expect.stringMatching(/application\/json.*text\/event-stream/);
    expect([status, JSON.parse(body)]).toMatchObject([406, { id: 5, error: { message } }]);
    expect(body.length).toBeLessThan(1_000);
  });

  test.each(['application/json', 'text/event-stream', '*/*', undefined])(
    'that begins a session may accept %j',
    async (accept) => {
      const client = { name: 'x', version: '1' };
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: client };
      const { status, body } = await send('POST', accept, request('initialize', params));
      expect([status, body]).toEqual([200, expect.stringContaining('"serverInfo"')]);
    },
  );

  test('in one body has no progress, and its answer', async () => {
    const client = await server.client();
    const task = await client.start();
    const run = await server.bridge.runner.turnOf(task);
    const call = waitCall(task, 'w', { _meta: { progressToken: 'p' } });
    const answer = send('POST', JSON_TYPE, call);
    const follower = client.call(
      'get_task_status',
      { task_id: task, wait_ms: 50_000 },
      { onprogress: () => undefined },
    );
    run.tool('bash', 'make');
    run.complete('done');
    await follower;
    const { status, body } = await answer;
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      id: 'w',
      result: { structuredContent: { status: 'completed' } },
    });
    expect(body).not.toContain('notifications/progress');
  });

  test('in one body that is cancelled is answered, for it needs a body', async () => {
    const client = await server.client();
    const task = await client.start();
    const answer = send('POST', JSON_TYPE, waitCall(task, 'c'));
    await expect
      .poll(async () => (await post(server.url, cancellation('c'), session)) && within(50, answer))
      .toMatchObject({ status: 200 });
    expect(JSON.parse((await answer).body)).toMatchObject({
      id: 'c',
      error: { message: expect.stringContaining('cancelled') },
    });
    expect(server.bridge.log.get(task)?.status).toBe('running');
  });

  test('in one body is given up where its client goes away', async () => {
    const client = await server.client();
    const task = await client.start();
    const abort = new AbortController();
    const headers = { ...session, accept: JSON_TYPE };
    const sent = post(server.url, waitCall(task, 'g'), headers, abort.signal);
    const again = (): Promise<unknown> =>
      post(server.url, waitCall(task, 'g'), headers, AbortSignal.timeout(50));
    await expect(again()).rejects.toThrow();
    abort.abort();
    await expect(sent).rejects.toThrow();
    expect((await post(server.url, request('ping'), session)).status).toBe(200);
  });
});

test('a batch is answered in the form that is accepted', async () => {
  const batch = [request('ping', {}, 'a'), request('ping', {}, 'b')];
  const list = await answerOf(post(server.url, batch, { ...session, accept: JSON_TYPE }));
  expect(list).toMatchObject({ status: 200, body: [{ id: 'a' }, { id: 'b' }] });
  expect(await messagesOf(post(server.url, batch, { ...session, accept: STREAM }))).toMatchObject([
    { id: 'a' },
    { id: 'b' },
  ]);
  const one = await answerOf(post(server.url, [request('ping', {}, 'a')], { ...session, accept: JSON_TYPE }));
  expect(one, 'a batch of one is a batch').toMatchObject({ status: 200, body: [{ id: 'a' }] });
});

test.each(['application/json', 'text/plain', '*/*', undefined])(
  'a notification needs no form of answer: %j',
  async (accept) => {
    const { status, body } = await send('POST', accept, {
      jsonrpc: '2.0',
      method: 'notifications/initialized',
    });
    expect([status, body]).toEqual([202, '']);
  },
);

test.each([
  ['text/event-stream', 200],
  ['*/*', 200],
  [undefined, 200],
  ['application/json', 406],
])('the stream to listen on, where %j is accepted, is %i', async (accept, status) => {
  await using own = await startServer();
  session = { 'mcp-session-id': await beginSession(own.url) };
  expect((await send('GET', accept, undefined, own.url)).status).toBe(status);
  session = { 'mcp-session-id': await beginSession(server.url) };
});
