import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { RestClient } from './rest.ts';
import { startServer } from './server.ts';

const OWN = /^req_[0-9a-f]{24}$/;
const TOKEN = 'a-token-of-somebody';
const lineSchema = z.looseObject({ message: z.string() });

describe('X-Request-Id', () => {
  it.each([
    ['GET', '/health', 200],
    ['GET', '/nothing', 404],
    ['GET', '/tasks', 200],
    ['GET', '/tasks/task_none', 404],
    ['DELETE', '/tasks', 405],
    ['POST', '/mcp', 400],
    ['GET', '/assets/none.js', 404],
    ['GET', '/openapi.json', 200],
  ])('of %s %s is in its response, with status %i', async (method, path, status) => {
    await using server = await startServer();
    const ask = (headers: Record<string, string>) => fetch(`${server.http.url}${path}`, { method, headers });
    const given = await ask({ 'X-Request-Id': 'of-the-caller:1/2' });
    expect(given.status).toBe(status);
    expect(given.headers.get('x-request-id')).toBe('of-the-caller:1/2');
    expect((await ask({})).headers.get('x-request-id')).toMatch(OWN);
  });

  it('is in refusals too: of a token, of an origin, of a body that is no JSON', async () => {
    await using server = await startServer({ tokens: [{ token: TOKEN }] });
    const ask = async (headers: Record<string, string>, body?: string) => {
      const response = await fetch(`${server.http.url}/tasks/execute`, {
        method: 'POST',
        headers: { 'X-Request-Id': 'mine', 'Content-Type': 'application/json', ...headers },
        ...(body !== undefined && { body }),
      });
      return [response.status, response.headers.get('x-request-id')];
    };
    expect(await ask({})).toEqual([401, 'mine']);
    expect(await ask({ Origin: 'https://evil.example' })).toEqual([403, 'mine']);
    expect(await ask({ Authorization: `Bearer ${TOKEN}` }, '{"a":')).toEqual([400, 'mine']);
  });

  it.each(['x'.repeat(129), 'with space', '"quoted"', '{"level":"error"}', 'caf\u00e9', '', 'a,b'])(
    '%j of a caller is not taken over',
    async (id) => {
      await using server = await startServer();
      const response = await fetch(`${server.http.url}/health`, { headers: { 'X-Request-Id': id } });
      expect(response.headers.get('x-request-id')).toMatch(OWN);
    },
  );

  it('of an upgrade is in its response, whether it is allowed or not', async () => {
    await using server = await startServer();
    const task = await new RestClient(server.http.url).start();
    const socketTo = (id: string) =>
      new WebSocket(`${server.http.url.replace('http', 'ws')}/tasks/${id}/stream`, {
        headers: { 'X-Request-Id': 'of-a-socket' },
      });
    const open = socketTo(task);
    const [upgraded] = await once(open, 'upgrade');
    expect(upgraded.headers['x-request-id']).toBe('of-a-socket');
    open.terminate();
    const refused = socketTo('task_none');
    const [, response] = await once(refused, 'unexpected-response');
    expect(response.statusCode).toBe(404);
    expect(response.headers['x-request-id']).toBe('of-a-socket');
    response.resume();
    refused.on('error', () => {});
    refused.terminate();
  });
});

describe('a task', () => {
  it('keeps the id of the request that handed it over, and a repeat with another id is the same task', async () => {
    await using server = await startServer();
    const api = new RestClient(server.http.url);
    const order = { task_description: 'x', idempotency_key: 'k' };
    const [first, again] = [
      await api.post('/tasks/execute', order, { 'x-request-id': 'first' }),
      await api.post('/tasks/execute', order, { 'x-request-id': 'second' }),
    ];
    expect(again.body).toMatchObject({ execution_id: first.body.execution_id, repeated: true });
    const { log } = server.bridge;
    const [id] = z.tuple([z.string()]).parse([first.body.execution_id]);
    expect(log.get(id)?.requestId).toBe('first');
    expect(log.store.events(id, 0, 1)).toMatchObject([{ kind: 'created', request_id: 'first' }]);
  });

  it('keeps that of a call of a tool', async () => {
    await using server = await startServer();
    const client = await server.client({ 'x-request-id': 'of-a-tool' });
    const id = await client.start();
    expect(server.bridge.log.get(id)?.requestId).toBe('of-a-tool');
    for (const headers of [{}, { 'x-request-id': 'x'.repeat(200) }]) {
      const another = await (await server.client(headers)).start();
      expect(server.bridge.log.get(another)?.requestId).toMatch(OWN);
    }
  });

  it('has its agent and that id in each of its lines', async () => {
    await using server = await startServer();
    const api = new RestClient(server.http.url, { 'x-agent-id': 'ann', 'x-request-id': 'mine' });
    const id = await api.start();
    const run = await server.bridge.runner.turnOf(id);
    run.fail('PROVIDER_ERROR', 'no');
    await api.stream(`/tasks/${id}/events`);
    const lines = server.bridge.logger.lines.map((line) => lineSchema.parse(JSON.parse(line)));
    const ofTask = lines.filter(({ taskId }) => taskId === id);
    expect(ofTask).toMatchObject([{ status: 'running' }, { status: 'failed', code: 'PROVIDER_ERROR' }]);
    for (const line of ofTask) expect(line).toMatchObject({ agentId: 'ann', requestId: 'mine' });
  });
});

it('each response is one line at debug, without what the URL or the headers hold', async () => {
  await using server = await startServer({ tokens: [{ token: TOKEN }] });
  const api = new RestClient(server.http.url, { authorization: `Bearer ${TOKEN}`, 'x-agent-id': 'ann' });
  const id = await api.start({ task_description: 'a-word-of-the-prompt' });
  await api.fetch('GET', `/tasks/${id}/files/a-name-of-a-file.txt?offset=7`, undefined, {
    'x-request-id': 'of-a-file',
  });
  await fetch(`${server.http.url}/tasks?status=running`, { headers: { 'x-request-id': 'no-token' } });
  const { lines } = server.bridge.logger;
  const requests = lines.map((line) => lineSchema.parse(JSON.parse(line))).filter(isRequest);
  expect(requests).toMatchObject([
    { level: 'debug', method: 'POST', route: '/tasks/execute', status: 202, requestId: OWN_ID },
    { method: 'GET', route: '/tasks/:task_id/files/*path', status: 400, requestId: 'of-a-file' },
    { method: 'GET', route: 'none', status: 401, requestId: 'no-token', ms: expect.any(Number) },
  ]);
  for (const secret of [TOKEN, 'a-word-of-the-prompt', 'a-name-of-a-file', 'offset', 'status=running'])
    expect(lines.join('\n')).not.toContain(secret);
});

const OWN_ID = expect.stringMatching(OWN);
const isRequest = ({ message }: { message: string }) => message === 'a request';
