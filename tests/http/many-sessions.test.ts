import { describe, expect, test } from 'vitest';
import { heldBytes } from '../support/memory.ts';
import { beginSession, post, request, startServer } from './server.ts';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
type Server = Awaited<ReturnType<typeof startServer>>;

async function beginMany(
  server: Server,
  count: number,
  headers: Record<string, string> = {},
): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const wave = Array.from({ length: Math.min(50, count - ids.length) }, () =>
      beginSession(server.url, headers),
    );
    ids.push(...(await Promise.all(wave)));
  }
  return ids;
}

async function isAlive(server: Server, id: string, headers: Record<string, string> = {}): Promise<boolean> {
  const { status } = await post(server.url, request('ping'), { ...headers, 'mcp-session-id': id });
  return status === 200;
}

test('sessions opened as fast as possible stay within the bound, and so does the memory', async () => {
  await using server = await startServer({ sessions: { max: 200, idleMs: 60_000 } });
  const first = await beginMany(server, 400);
  const full = heldBytes();
  const last = await beginMany(server, 1_000);
  expect(heldBytes() - full).toBeLessThan(5e6);
  const alive = await Promise.all([...first, ...last].map((id) => isAlive(server, id)));
  expect(alive.filter(Boolean)).toHaveLength(200);
  expect(alive.slice(-100)).toEqual(Array(100).fill(true));
});

test('what never becomes a session is not kept', async () => {
  await using server = await startServer();
  const [id = ''] = await beginMany(server, 100);
  const client = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } };
  const initialize = request('initialize', client);
  const unfit = async (): Promise<void> => {
    const statuses = [
      (await post(server.url, initialize, { accept: 'text/plain' })).status,
      (await post(server.url, [initialize, request('ping')])).status,
      (await post(server.url, request('ping'), { 'mcp-session-id': 'gone' })).status,
    ];
    expect(statuses).toEqual([406, 400, 404]);
  };
  await unfit();
  const before = heldBytes();
  for (let n = 0; n < 200; n += 1) await unfit();
  expect(heldBytes() - before).toBeLessThan(1.5e6);
  expect(await isAlive(server, id)).toBe(true);
});

test('one session has one stream to listen on, however often it asks', async () => {
  await using server = await startServer();
  const headers = { 'mcp-session-id': await beginSession(server.url), accept: 'text/event-stream' };
  const streams = await Promise.all(Array.from({ length: 300 }, () => fetch(server.url, { headers })));
  expect(streams.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(299).fill(409)]);
  for (const { body } of streams) await body?.cancel();
});

describe('with tokens', () => {
  const tokens = [{ token: 'one' }, { token: 'two', agentId: 'two' }];

  test('one that opens sessions without end only closes its own', async () => {
    await using server = await startServer({ tokens, sessions: { max: 50, idleMs: 60_000 } });
    const quiet = await beginMany(server, 5, bearer('two'));
    await beginMany(server, 200, bearer('one'));
    for (const id of quiet) expect(await isAlive(server, id, bearer('two'))).toBe(true);
  });

  test("nobody ends, hears or uses somebody else's session", async () => {
    await using server = await startServer({ tokens });
    const id = await beginSession(server.url, bearer('two'));
    const foreign = { ...bearer('one'), 'mcp-session-id': id, accept: 'text/event-stream' };
    for (const method of ['DELETE', 'GET']) {
      expect((await fetch(server.url, { method, headers: foreign })).status).toBe(404);
    }
    const twice = { ...bearer('two'), 'mcp-session-id': `${id}, ${id}` };
    expect((await post(server.url, request('ping'), twice)).status).toBe(404);
    expect(await isAlive(server, id, bearer('two'))).toBe(true);
  });
});
