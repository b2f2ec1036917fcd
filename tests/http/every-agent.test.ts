import { describe, expect, test } from 'vitest';
import { RestClient, startApi } from './rest.ts';
import { refusalOf } from './socket-client.ts';

/** Everything that can be asked of one task, as method, path below it, and body. */
const ROUTES: readonly [method: string, path: string, body?: object][] = [
  ['GET', ''],
  ['GET', '/status'],
  ['GET', '/events'],
  ['GET', '/files'],
  ['GET', '/files/a.txt'],
  ['GET', '/diff'],
  ['GET', '/archive'],
  ['POST', '/cancel', {}],
  ['POST', '/pause', {}],
  ['POST', '/resume', {}],
  ['POST', '/messages', { message: 'x' }],
  ['POST', '/requests/r', { reply: 'once' }],
  ['DELETE', ''],
];

async function withTokens() {
  const server = await startApi({
    tokens: [{ token: 'of-ann', agentId: 'ann' }, { token: 'of-all' }],
  });
  const client = (token: string, headers = {}) =>
    new RestClient(server.http.url, { authorization: `Bearer ${token}`, ...headers });
  const [ann, any] = [client('of-ann'), client('of-all')];
  const ids = { ann: await ann.start(), bob: await any.start({ agent_id: 'bob' }) };
  return { server, client, ann, any, ids, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const idsOf = (tasks: { task_id: string }[]) => tasks.map(({ task_id }) => task_id).sort();

describe('agent_id=*', () => {
  test('lists and follows the tasks of every agent for a token that is bound to none', async () => {
    await using set = await withTokens();
    const { any, ids } = set;
    const { body } = await any.get('/tasks?agent_id=*');
    expect(idsOf(body.tasks)).toEqual(Object.values(ids).sort());
    expect(body.tasks.map(({ agent_id }: { agent_id: string }) => agent_id).sort()).toEqual(['ann', 'bob']);
    const states = 'queued,running';
    expect(idsOf((await any.get(`/tasks?agent_id=*&status=${states}`)).body.tasks)).toHaveLength(2);
    const { events } = await any.stream('/events?agent_id=*', () => true);
    expect(idsOf(events[0]?.data.tasks)).toEqual(Object.values(ids).sort());
    const changed = any.stream(`/events?agent_id=*&cursor=${body.events_cursor}`, () => true);
    const next = await any.start({ agent_id: 'eve' });
    expect(idsOf((await changed).events[0]?.data.tasks)).toEqual([next]);
    expect((await any.get('/tasks')).body.tasks).toEqual([]);
  });

  test('reads and controls any task, as its agent', async () => {
    await using set = await withTokens();
    const { any, ids } = set;
    expect((await any.get(`/tasks/${ids.bob}?agent_id=*`)).body).toMatchObject({ agent_id: 'bob' });
    expect((await any.get(`/tasks/${ids.bob}`)).status).toBe(404);
    expect((await any.get('/tasks/task_0?agent_id=*')).body).toMatchObject({
      status: 404,
      detail: 'There is no task "task_0".',
    });
    expect((await any.post(`/tasks/${ids.bob}/cancel?agent_id=*`)).status).toBe(200);
    expect((await any.get(`/tasks/${ids.bob}/events?agent_id=*&kinds=cancelled`)).body.events).toMatchObject([
      { by: 'bob' },
    ]);
    for (let repeat = 0; repeat < 2; repeat += 1) {
      expect((await any.send('DELETE', `/tasks/${ids.bob}?agent_id=*`)).status).toBe(204);
    }
  });

  test('is the own agent of a token that is bound to one, on every route', async () => {
    await using set = await withTokens();
    const { ann, client, ids } = set;
    expect(idsOf((await ann.get('/tasks?agent_id=*')).body.tasks)).toEqual([ids.ann]);
    const { events } = await ann.stream('/events?agent_id=*', () => true);
    expect(idsOf(events[0]?.data.tasks)).toEqual([ids.ann]);
    const byHeader = client('of-ann', { 'x-agent-id': '*' });
    for (const [method, path, body] of ROUTES) {
      const inUrl = await ann.send(method, `/tasks/${ids.bob}${path}?agent_id=*`, body);
      const inHeader = await byHeader.send(method, `/tasks/${ids.bob}${path}`, body);
      for (const answer of [inUrl, inHeader]) expect(answer).toMatchObject({ status: 404 });
    }
    expect(await ann.post('/tickets?agent_id=*', { task_id: ids.bob })).toMatchObject({ status: 404 });
    const stream = `${set.server.http.url}/tasks/${ids.bob}/stream?agent_id=*`;
    expect(await refusalOf(stream, { authorization: 'Bearer of-ann' })).toMatchObject({ status: 404 });
  });

  test('is no owner of a new task', async () => {
    await using set = await withTokens();
    const { any, ann } = set;
    expect((await any.post('/tasks/execute?agent_id=*', { code: 'x' })).body).toMatchObject({
      code: 'INVALID_INPUT',
      detail: expect.stringContaining('"*" stands for all agents'),
      next: expect.stringContaining('Name the agent'),
    });
    expect((await any.get('/tasks?agent_id=*')).body.tasks).toHaveLength(2);
    const mine = await ann.post('/tasks/execute?agent_id=*', { code: 'x' });
    expect((await ann.get(`/tasks/${mine.body.execution_id}`)).body).toMatchObject({ agent_id: 'ann' });
  });
});
