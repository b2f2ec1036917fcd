import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createTaskSessionFromClient, type RawClientDispatch } from '@modelcontextprotocol/ext-tasks/client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { modernHeaders, WITH_FORMS } from './modern.ts';
import { post, startServer } from './server.ts';

let server: Awaited<ReturnType<typeof startServer>>;
const clients: Client[] = [];

beforeEach(async () => {
  server = await startServer();
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await server[Symbol.asyncDispose]();
});

async function connect(mode: 'auto' | 'legacy' | { pin: string }): Promise<Client> {
  const client = new Client({ name: 'c', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(server.url)));
  clients.push(client);
  return client;
}

describe('the SDK of 2026-07-28', () => {
  test.each([
    ['auto' as const, '2026-07-28', 0],
    [{ pin: '2026-07-28' }, '2026-07-28', 0],
    ['legacy' as const, '2025-11-25', 1],
  ])('in mode %j speaks %s', async (mode, version, sessions) => {
    const client = await connect(mode);
    expect(client.getNegotiatedProtocolVersion()).toBe(version);
    expect(await client.callTool({ name: 'ping', arguments: {} })).toMatchObject({
      structuredContent: { pong: true },
    });
    expect(server.http.open().sessions).toBe(sessions);
  });

  test('ends the wait of a call that it aborts', async () => {
    const client = await connect('auto');
    const { structuredContent } = await client.callTool({
      name: 'opencode_execute_task',
      arguments: { task_description: 'x' },
    });
    const { task_id } = z.object({ task_id: z.string() }).parse(structuredContent);
    const ended = Promise.withResolvers<string>();
    server.bridge.services.onToolCall = (tool) => ended.resolve(tool);
    const abort = new AbortController();
    const waiting = client.callTool(
      { name: 'get_task_status', arguments: { task_id, wait_ms: 50_000 } },
      { signal: abort.signal },
    );
    const cut = expect(waiting).rejects.toThrow('enough');
    await server.bridge.runner.turnOf(task_id);
    abort.abort(new Error('enough'));
    await cut;
    expect(await ended.promise).toBe('get_task_status');
  });
});

describe('the official client of Tasks', () => {
  const framing = {
    protocolVersion: '2026-07-28',
    clientInfo: { name: 'c', version: '1' },
    clientCapabilities: WITH_FORMS,
  };
  const requestSchema = z.looseObject({
    method: z.string(),
    params: z.looseObject({ name: z.string().optional(), taskId: z.string().optional() }),
  });
  const answerSchema = z.object({ result: z.json().optional(), error: z.json().optional() });

  let count = 0;

  /** One request of that client, over HTTP. */
  const rawDispatch: RawClientDispatch = async (request, options) => {
    const { method, params } = requestSchema.parse(request);
    const headers = modernHeaders(method, params.name ?? params.taskId);
    count += 1;
    const message = { jsonrpc: '2.0', id: count, method, params };
    const response = await post(server.url, message, headers, options?.signal);
    const { result, error } = answerSchema.parse(await response.json());
    if (result !== undefined) return { kind: 'result', result };
    return { kind: 'error', error: error as never };
  };

  async function session(onElicit: () => Record<string, string>) {
    const client = await connect('auto');
    return createTaskSessionFromClient(client, {
      endpointId: 'bridge',
      rawDispatch,
      v2RequestFraming: framing,
      onInputRequest: (async () => ({ action: 'accept', content: onElicit() })) as never,
    });
  }

  test('gets a task, fills in what it asks, and has its result', async () => {
    await using tasks = await session(() => ({ reply: 'once' }));
    const execution = await tasks.callTool('opencode_execute_task', { task_description: 'x' });
    const id = z.string().parse(execution.handle?.taskId);
    const run = await server.bridge.runner.turnOf(id);
    const settled = execution.settle();
    run.ask({ id: 'per_1', type: 'permission', permission: 'bash', patterns: ['make'] });
    await server.bridge.until(id, () => run.answers.length === 1);
    run.complete('It says hello.');
    const { outcome } = await settled;
    expect(outcome).toMatchObject({
      status: 'completed',
      result: { structuredContent: { task_id: id, result: { summary: 'It says hello.' } } },
    });
  });

  test('cancels a task', async () => {
    await using tasks = await session(() => ({}));
    const execution = await tasks.callTool('opencode_execute_task', { task_description: 'x' });
    const id = z.string().parse(execution.handle?.taskId);
    await server.bridge.runner.turnOf(id);
    await execution.cancel();
    expect((await execution.settle()).outcome.status).toBe('cancelled');
    expect(server.bridge.log.get(id)?.status).toBe('cancelled');
  });
});
