import { type JSONRPCMessage, JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { messagesOf } from '../http/messages.ts';
import { post, request, startServer } from '../http/server.ts';
import { FORM_CLIENTS } from './form-client.ts';

const VERSION = { 'mcp-protocol-version': '2025-11-25' };
const PERMISSION = { id: 'per_1', type: 'permission' as const, permission: 'bash', patterns: ['make'] };
const ONCE = { action: 'accept', content: { reply: 'once' } };
const asked = z.object({
  id: z.string(),
  method: z.literal('elicitation/create'),
  params: z.looseObject({ message: z.string() }),
});

let server: Awaited<ReturnType<typeof startServer>>;

beforeAll(async () => {
  server = await startServer({ limits: { maxConcurrent: 100 } });
  await server.restart({ sessionStore: server.bridge.mcpSessions });
});
afterAll(() => server[Symbol.asyncDispose]());

/** A session by hand. */
async function session(elicitation: object | undefined = {}) {
  const capabilities = elicitation ? { elicitation } : {};
  const params = { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 'raw', version: '1' } };
  const response = await post(server.url, request('initialize', params));
  await response.text();
  const headers = { ...VERSION, 'mcp-session-id': response.headers.get('mcp-session-id') ?? '' };
  await post(server.url, { jsonrpc: '2.0', method: 'notifications/initialized' }, headers);
  const say = (message: object) => post(server.url, { jsonrpc: '2.0', ...message }, headers);
  const task = async () => {
    const call = { name: 'opencode_execute_task', arguments: { task_description: 'x' } };
    const [answer] = await messagesOf(say(request('tools/call', call)));
    const id = z
      .object({ result: z.object({ structuredContent: z.object({ task_id: z.string() }) }) })
      .parse(answer).result.structuredContent.task_id;
    return { id, run: await server.bridge.runner.turnOf(id) };
  };
  const wait = (id: string, { wait_ms = 50_000, accept = 'application/json, text/event-stream' } = {}) =>
    stream(
      post(
        server.url,
        request('tools/call', {
          name: 'get_task_status',
          arguments: { task_id: id, wait_ms },
          _meta: { progressToken: 'p' },
        }),
        { ...headers, accept },
      ),
    );
  return { headers, say, task, wait };
}

/** The messages of a response as they come. */
function stream(response: Promise<Response>) {
  const got: JSONRPCMessage[] = [];
  const ended = read();
  async function read(): Promise<void> {
    const { body } = await response;
    let rest = '';
    for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      rest += chunk;
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (/^data: ./.test(line)) got.push(JSONRPCMessageSchema.parse(JSON.parse(line.slice(6))));
      }
    }
  }
  const of = (method: string) => got.filter((message) => 'method' in message && message.method === method);
  const form = (n = 1) =>
    vi.waitUntil(() => asked.safeParse(of('elicitation/create')[n - 1]).data, { timeout: 60_000 });
  const result = async () => {
    await ended;
    return got.find((message) => 'result' in message || 'error' in message);
  };
  return { got, of, form, result };
}

const ended = (status: string) => ({ result: { structuredContent: { status } } });

describe('a form', () => {
  test('is sent on the stream of its call, and withdrawn when the wait ends; the next call shows it again', async () => {
    const { task, wait } = await session();
    const { id, run } = await task();
    run.ask(PERMISSION);
    const call = wait(id, { wait_ms: 1_500 });
    const form = await call.form();
    expect(await call.result()).toMatchObject(ended('input_required'));
    expect(call.of('notifications/cancelled')).toMatchObject([{ params: { requestId: form.id } }]);
    const again = wait(id, { wait_ms: 1_500 });
    expect((await again.form()).params).toEqual(form.params);
    await again.result();
  });

  test('that is answered twice counts once, and a late answer not at all', async () => {
    const { say, task, wait } = await session();
    const { id, run } = await task();
    run.ask(PERMISSION);
    const first = wait(id, { wait_ms: 1_500 });
    const late = await first.form();
    await first.result();
    const call = wait(id);
    const form = await call.form();
    expect(form.id).not.toBe(late.id);
    expect((await say({ id: late.id, result: ONCE })).status).toBe(202);
    const reject = { action: 'accept', content: { reply: 'reject' } };
    for (const result of [reject, ONCE]) expect((await say({ id: form.id, result })).status).toBe(202);
    await server.bridge.until(id, () => run.answers.length > 0);
    run.complete('done');
    expect(await call.result()).toMatchObject(ended('completed'));
    expect(run.answers).toMatchObject([{ answer: { reply: 'reject' } }]);
  });

  test.each([
    ['a word', 'yes'],
    ['another action', { action: 'agree', content: { reply: 'once' } }],
    ['a nested answer', { action: 'accept', content: { reply: { reply: 'once' } } }],
    ['no content', { action: 'accept' }],
  ])('that is answered by %s leaves the request open', async (_, result) => {
    const { say, task, wait } = await session();
    const { id, run } = await task();
    run.ask(PERMISSION);
    const call = wait(id, { wait_ms: 3_000 });
    const form = await call.form();
    const { status } = await say({ id: form.id, result });
    expect(status).toBeLessThan(500);
    expect(await call.result()).toMatchObject(ended('input_required'));
    expect(run.answers).toEqual([]);
  });

  test('that a client refuses by an error leaves the request open', async () => {
    const { say, task, wait } = await session();
    const { id, run } = await task();
    run.ask(PERMISSION);
    const call = wait(id);
    const form = await call.form();
    await say({ id: form.id, error: { code: -32601, message: 'Method not found' } });
    expect(await call.result()).toMatchObject(ended('input_required'));
    expect(run.answers).toEqual([]);
  });

  test('is not answered by 10 MB, nor by another session that names its id', async () => {
    const { say, task, wait } = await session();
    const { id, run } = await task();
    run.ask(PERMISSION);
    const call = wait(id);
    const form = await call.form();
    const large = { action: 'accept', content: { reply: 'once', message: 'x'.repeat(10_000_000) } };
    expect((await say({ id: form.id, result: large })).status).toBe(413);
    const other = await session();
    const theirs = await other.task();
    theirs.run.ask({ ...PERMISSION, id: 'per_2' });
    const theirCall = other.wait(theirs.id);
    await theirCall.form();
    expect((await other.say({ id: form.id, result: ONCE })).status).toBe(202);
    expect((await other.say({ id: 0, result: ONCE })).status).toBe(202);
    await say({ id: form.id, result: { action: 'cancel' } });
    expect(await call.result()).toMatchObject(ended('input_required'));
    expect([...run.answers, ...theirs.run.answers]).toEqual([]);
    theirs.run.complete('done');
    await theirCall.result();
  });

  test('is shared by two calls of a session, and both go on', async () => {
    const { say, task, wait } = await session();
    const { id, run } = await task();
    run.ask(PERMISSION);
    const follow = vi.spyOn(server.bridge.execution, 'followLive');
    const calls = [wait(id), wait(id)];
    const form = await Promise.race(calls.map((call) => call.form()));
    await vi.waitUntil(() => follow.mock.calls.length === 2, { timeout: 60_000 });
    follow.mockRestore();
    await say({ id: form.id, result: ONCE });
    await server.bridge.until(id, () => run.answers.length === 1);
    run.complete('done');
    for (const call of calls) expect(await call.result()).toMatchObject(ended('completed'));
    expect(calls.flatMap((call) => call.of('elicitation/create'))).toHaveLength(1);
  });

  test('is sent to no client that takes JSON alone, or has only other ways to ask', async () => {
    const { task, wait } = await session();
    const { id, run } = await task();
    run.ask(PERMISSION);
    const accept = 'application/json';
    const json = await post(
      server.url,
      request('tools/call', { name: 'get_task_status', arguments: { task_id: id, wait_ms: 20_000 } }),
      { ...(await session()).headers, accept },
    );
    expect(await json.json()).toMatchObject(ended('input_required'));
    const urls = await session({ url: {} });
    const call = urls.wait(id);
    expect(await call.result()).toMatchObject(ended('input_required'));
    expect(call.of('elicitation/create')).toEqual([]);
    await wait(id, { wait_ms: 1 }).result();
  });

  test('is withdrawn, and the request stays open, when the bridge stops; an answer to it is none to the next', async () => {
    const { say, task, wait } = await session();
    const { id, run } = await task();
    run.ask(PERMISSION);
    const call = wait(id);
    const form = await call.form();
    await server.restart({ sessionStore: server.bridge.mcpSessions });
    expect(call.of('notifications/cancelled')).toMatchObject([{ params: { requestId: form.id } }]);
    expect(await call.result()).toMatchObject(ended('input_required'));
    // The session goes on with what its client has declared, which is in the store.
    const next = wait(id);
    const again = await next.form();
    expect((await say({ id: form.id, result: ONCE })).status).toBe(202);
    await say({ id: again.id, result: { action: 'decline' } });
    await server.bridge.until(id, () => run.answers.length === 1);
    expect(run.answers).toMatchObject([{ answer: { reply: 'reject' } }]);
    run.complete('done');
    expect(await next.result()).toMatchObject(ended('completed'));
  });

  test('that was open when the client vanished can be answered elsewhere, and by the client that comes back', async () => {
    const { say, headers, task, wait } = await session();
    const { id, run } = await task();
    run.ask(PERMISSION);
    const line = new AbortController();
    const params = { name: 'get_task_status', arguments: { task_id: id, wait_ms: 50_000 } };
    const response = post(server.url, request('tools/call', params), headers, line.signal);
    const reader = (await response).body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('elicitation/create')) text += (await reader?.read())?.value ?? '';
    const eventId = /id: (\S+)/.exec(text)?.[1] ?? '';
    line.abort();
    const back = stream(
      fetch(server.url, { headers: { ...headers, accept: 'text/event-stream', 'last-event-id': eventId } }),
    );
    const form = await back.form();
    await say({ id: form.id, result: ONCE });
    await server.bridge.until(id, () => run.answers.length === 1);
    run.complete('done');
    expect(await back.result()).toMatchObject(ended('completed'));
    expect(await wait(id).result()).toMatchObject(ended('completed'));
  });
});

test('progress goes on while a form is open', async () => {
  server.bridge.services.limits = { maxWaitMs: 50_000, progressEveryMs: 1, keepAliveMs: 20 };
  const { say, task, wait } = await session();
  const { id, run } = await task();
  run.ask(PERMISSION);
  const call = wait(id);
  const form = await call.form();
  const before = call.of('notifications/progress').length;
  await vi.waitUntil(() => call.of('notifications/progress').length > before + 3, { timeout: 60_000 });
  await say({ id: form.id, result: { action: 'cancel' } });
  await call.result();
  delete server.bridge.services.limits;
});

test("another agent's task is never shown", async () => {
  const { task } = await session();
  const { id, run } = await task();
  run.ask(PERMISSION);
  const shown = vi.fn(() => ({ action: 'cancel' as const }));
  for (const { connect } of Object.values(FORM_CLIENTS)) {
    const client = await connect(server.url, { person: shown, headers: { 'x-agent-id': 'stranger' } });
    const call = client.call('get_task_status', { task_id: id, wait_ms: 5_000 });
    await expect(call).rejects.toThrow();
    await client.close();
  }
  expect(shown).not.toHaveBeenCalled();
});
