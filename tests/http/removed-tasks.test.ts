import { describe, expect, test } from 'vitest';
import { RestClient, startApi } from './rest.ts';

type Api = Awaited<ReturnType<typeof startApi>>;

/** A task that has ended. */
async function ended({ runner }: Api, client: RestClient): Promise<string> {
  const id = await client.start();
  (await runner.turnOf(id)).complete('done');
  await client.get(`/tasks/${id}/status?wait_ms=20000`);
  return id;
}

const cursorOf = async (client: RestClient): Promise<string> =>
  (await client.get('/tasks')).body.events_cursor;
const decoded = (cursor = '') => Buffer.from(cursor, 'base64url').toString();
const encoded = (text: string) => Buffer.from(text).toString('base64url');

/** The first message of a resumed stream. */
async function first(client: RestClient, cursor: string, query = '') {
  const { events } = await client.stream(`/events?cursor=${cursor}${query}`, () => true);
  return events[0];
}

describe('a task that is removed', () => {
  test('is told to who follows the tasks, and to who resumes later', async () => {
    await using server = await startApi();
    const { api } = server;
    const id = await ended(server, api);
    const cursor = await cursorOf(api);
    const seen = first(api, cursor);
    expect(await api.send('DELETE', `/tasks/${id}`)).toMatchObject({ status: 204 });
    expect((await seen)?.data).toEqual({ tasks: [], removed: [id] });
    // All events are gone now, and with them the newest positions of the log.
    const later = await first(api, cursor);
    expect(later?.data).toEqual({ tasks: [], removed: [id] });
    const next = await api.start();
    const { data } = (await first(api, later?.id ?? '')) ?? {};
    expect(data.tasks).toMatchObject([{ task_id: next }]);
    expect(data.removed).toEqual([]);
  });

  test('comes in no row after that, and not twice', async () => {
    await using server = await startApi();
    const { api } = server;
    const cursor = await cursorOf(api);
    const ids = [await ended(server, api), await ended(server, api)];
    for (let repeat = 0; repeat < 2; repeat += 1) {
      for (const id of ids) await api.send('DELETE', `/tasks/${id}`);
    }
    const open = await api.start();
    const { data } = (await first(api, cursor)) ?? {};
    expect(data.tasks.map(({ task_id }: { task_id: string }) => task_id)).toEqual([open]);
    expect(data.removed).toEqual(ids);
    expect((await api.get('/tasks')).body.tasks).toHaveLength(1);
  });

  test('is nobody else’s business', async () => {
    await using server = await startApi({
      tokens: [{ token: 'of-ann', agentId: 'ann' }, { token: 'of-bob', agentId: 'bob' }, { token: 'of-all' }],
    });
    const client = (token: string) => new RestClient(server.http.url, { authorization: `Bearer ${token}` });
    const [ann, bob, any] = [client('of-ann'), client('of-bob'), client('of-all')];
    const [its, hers] = [await ended(server, bob), await ended(server, ann)];
    const cursor = await cursorOf(ann);
    await bob.send('DELETE', `/tasks/${its}`);
    await ann.send('DELETE', `/tasks/${hers}`);
    for (const query of ['', '&agent_id=*'])
      expect((await first(ann, cursor, query))?.data.removed).toEqual([hers]);
    // A cursor is a place, and no right.
    expect((await first(bob, cursor))?.data.removed).toEqual([its]);
    expect((await first(any, cursor, '&agent_id=*'))?.data.removed).toEqual([its, hers]);
    expect((await first(any, cursor, '&agent_id=bob'))?.data.removed).toEqual([its]);
    const header = await ann.stream('/events', () => true, { 'last-event-id': cursor });
    expect(header.events[0]?.data.removed).toEqual([hers]);
  });
});

describe('a cursor', () => {
  test('of a version that knew no removals goes on, and is told all of them', async () => {
    await using server = await startApi();
    const { api } = server;
    const id = await ended(server, api);
    const [, event] = decoded(await cursorOf(api)).split(':');
    await api.send('DELETE', `/tasks/${id}`);
    expect((await first(api, encoded(`p1:${event}`)))?.data).toEqual({ tasks: [], removed: [id] });
  });

  test.each(['p2:99999:0', 'p2:0:99999'])('of another log (%s) begins anew', async (cursor) => {
    await using server = await startApi();
    const id = await server.api.start();
    const { data } = (await first(server.api, encoded(cursor))) ?? {};
    expect(data).toMatchObject({ tasks: [{ task_id: id }], removed: [] });
  });

  test.each(['p2:1:2:3', 'p3:1:2', 'p2:-1:0', 'p2:1:', 'p2:1:2 ', 'x'])('cannot be %j', async (text) => {
    await using server = await startApi();
    const { status } = await server.api.get(`/events?cursor=${encoded(text)}`);
    expect(status).toBe(400);
  });
});
