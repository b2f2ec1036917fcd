import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { RestClient, type StreamEvent, startApi } from './rest.ts';

describe('a task over REST', () => {
  test('is handed over, followed, and read', async () => {
    await using server = await startApi();
    const { api, runner } = server;
    const started = await api.post('/tasks/execute', { task_description: 'Write it.' });
    const id: string = started.body.execution_id;
    expect(started).toMatchObject({ status: 202, body: { task_id: id, status: 'running', repeated: false } });
    expect(started.headers.get('location')).toBe(`/tasks/${id}`);
    expect(started.body.next).toBe(`It is still running: call GET /tasks/${id}/status?wait_ms=50000.`);

    const stream = api.stream(`/tasks/${id}/events`);
    const waited = api.get(`/tasks/${id}/status?wait_ms=50000`);
    const turn = await runner.turnOf(id);
    turn.tool('bash', 'make');
    turn.complete('made');
    expect((await waited).body).toMatchObject({ execution_id: id, status: 'completed' });

    const { events, headers } = await stream;
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const whole = await api.get(`/tasks/${id}`);
    expect(whole.body).toMatchObject({
      status: 'completed',
      result: { summary: 'made' },
      description: 'Write it.',
    });
    expect(events.map(({ id }) => Number(id))).toEqual(
      Array.from({ length: whole.body.last_seq }, (_, index) => index + 1),
    );
    const page = await api.get(`/tasks/${id}/events`);
    expect(page.body.events).toEqual(events.map(({ data }) => data));
    expect((await api.get('/tasks')).body.tasks).toMatchObject([{ task_id: id, status: 'completed' }]);
  });

  test('has the id and key of its caller, and says again which task it is', async () => {
    await using server = await startApi();
    const first = await server.api.post('/tasks/execute', {
      task_id: 'mine-1',
      code: 'Do it.',
      context: 'Here.',
    });
    const again = await server.api.post('/tasks/execute', {
      task_id: 'mine-1',
      code: 'Do it.',
      context: 'Here.',
    });
    expect(first.body).toMatchObject({ task_id: 'mine-1', repeated: false });
    expect(again.body).toMatchObject({
      task_id: 'mine-1',
      repeated: true,
      execution_id: first.body.execution_id,
    });
    const { body } = await server.api.get(`/tasks/${first.body.execution_id}`);
    expect(body.description).toBe('Context:\nHere.\n\nTask:\nDo it.');
    const other = await server.api.post(
      '/tasks/execute',
      { code: 'Other.' },
      { 'idempotency-key': 'mine-1' },
    );
    expect(other).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_CONFLICT' } });
  });

  test('belongs to its agent', async () => {
    await using server = await startApi();
    const [ann, bob] = ['ann', 'bob'].map(
      (agent) => new RestClient(server.http.url, { 'x-agent-id': agent }),
    );
    const id = await ann?.start();
    for (const path of ['', '/status', '/events']) {
      expect(await bob?.get(`/tasks/${id}${path}`)).toMatchObject({
        status: 404,
        body: { code: 'TASK_NOT_FOUND' },
      });
    }
    for (const what of ['cancel', 'pause', 'resume', 'messages', 'requests/r']) {
      const body = what === 'messages' ? { message: 'x' } : what === 'requests/r' ? { reply: 'once' } : {};
      expect(await bob?.post(`/tasks/${id}/${what}`, body)).toMatchObject({ status: 404 });
    }
    expect((await bob?.get('/tasks'))?.body).toMatchObject({ tasks: [] });
    expect((await ann?.get('/tasks?agent_id=bob'))?.body).toMatchObject({
      code: 'AGENT_MISMATCH',
      status: 403,
    });
  });
});

describe('the states of all own tasks', () => {
  test('come as they change, and go on after a cursor', async () => {
    await using server = await startApi();
    const { api, runner } = server;
    const [ann, bob] = ['ann', 'bob'].map(
      (agent) => new RestClient(server.http.url, { 'x-agent-id': agent }),
    );
    if (!ann || !bob) throw new Error('two clients');
    const { events_cursor } = (await ann.get('/tasks')).body;
    const id = await ann.start();
    await bob.start();
    const stateOf = ({ data }: StreamEvent) =>
      data.tasks.find(({ task_id }: { task_id: string }) => task_id === id);
    const ended = (event: StreamEvent) => stateOf(event)?.status === 'completed';
    const live = ann.stream('/events', ended);
    const resumed = ann.stream(`/events?cursor=${events_cursor}`, ended);
    (await runner.turnOf(id)).complete('done');
    for (const { events } of [await live, await resumed]) {
      expect(events.flatMap(({ data }) => data.tasks).every(({ task_id }) => task_id === id)).toBe(true);
      expect(stateOf(events.at(-1) ?? never())).toMatchObject({ status: 'completed', summary: 'done' });
    }
    const last = (await live).events.at(-1)?.id ?? '';
    const next = await ann.start();
    const { events } = await ann.stream('/events', () => true, { 'last-event-id': last });
    expect(events[0]?.data.tasks).toMatchObject([{ task_id: next }]);
    expect(await api.get('/events?cursor=x')).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
  });
});

function never(): never {
  throw new Error('there is none');
}

describe('the list', () => {
  test('has the tasks in some states, of some time and with some words, page by page', async () => {
    await using server = await startApi({ limits: { maxConcurrent: 1, maxQueued: 20 } });
    const { api } = server;
    const ids: string[] = [];
    for (const text of ['Fix the red door', 'Fix the blue door', 'Paint 100% of it']) {
      ids.push(await api.start({ task_description: text }));
    }
    const listed = async (query: string) => {
      const { status, body } = await api.get(`/tasks?${query}`);
      return status === 200
        ? body.tasks.map(({ task_id }: { task_id: string }) => ids.indexOf(task_id))
        : body.code;
    };
    expect(await listed('')).toEqual([2, 1, 0]);
    expect(await listed('text=RED')).toEqual([0]);
    expect(await listed('text=100%25')).toEqual([2]);
    expect(await listed('text=%25')).toEqual([2]);
    expect(await listed('status=running')).toEqual([0]);
    expect(await listed('status=queued,running&text=door')).toEqual([1, 0]);
    expect(await listed('status=queued,nothing')).toBe('INVALID_INPUT');
    const soon = new Date(Date.now() + 60_000).toISOString();
    expect(await listed(`created_before=${soon}`)).toEqual([2, 1, 0]);
    expect(await listed(`created_after=${soon}`)).toEqual([]);
    expect(await listed('created_after=yesterday')).toBe('INVALID_INPUT');
    const first = await api.get('/tasks?limit=2');
    expect(first.body.tasks).toHaveLength(2);
    expect(await listed(`limit=2&cursor=${first.body.next_cursor}`)).toEqual([0]);
  });
});

describe('the removal of a task', () => {
  test('waits for its end, takes all of it, and may be repeated', async () => {
    await using server = await startApi();
    const { api, runner } = server;
    const id = await api.start({ idempotency_key: 'k' });
    const { directory } = (await api.get(`/tasks/${id}`)).body;
    expect(await api.send('DELETE', `/tasks/${id}`)).toMatchObject({
      status: 409,
      body: { code: 'INVALID_STATE', next: expect.stringContaining(`GET /tasks/${id}/status`) },
    });
    (await runner.turnOf(id)).complete('done');
    await api.get(`/tasks/${id}/status?wait_ms=20000`);
    const other = new RestClient(server.http.url, { 'x-agent-id': 'other' });
    expect((await other.send('DELETE', `/tasks/${id}`)).status).toBe(404);
    expect(existsSync(directory)).toBe(true);
    for (const _ of [1, 2])
      expect(await api.send('DELETE', `/tasks/${id}`)).toMatchObject({ status: 204, body: '' });
    expect((await other.send('DELETE', `/tasks/${id}`)).status).toBe(404);
    expect(existsSync(directory)).toBe(false);
    for (const path of ['', '/events', '/files', '/diff'])
      expect((await api.get(`/tasks/${id}${path}`)).status).toBe(404);
    expect((await api.get('/tasks')).body.tasks).toEqual([]);
    expect(
      (await api.post('/tasks/execute', { task_description: 'x', idempotency_key: 'k' })).body.repeated,
    ).toBe(false);
  });
});
