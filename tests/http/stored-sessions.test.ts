import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SessionRecords } from '../../src/http/session-records.ts';
import { Sessions } from '../../src/http/sessions.ts';
import { McpSession } from '../../src/mcp/session.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteMcpSessionStore } from '../../src/store/sqlite/sqlite-mcp-session-store.ts';
import { startScriptedBridge } from '../mcp/bridge.ts';
import { tempDir } from '../support/temp.ts';
import { answerOf, beginSession, post, request, startServer } from './server.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
const HANDSHAKE = {
  protocolVersion: '2025-11-25',
  capabilities: { roots: {} },
  clientInfo: { name: 'raw', version: '1' },
};
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** A server that keeps its sessions. */
async function startKeeping(options: Parameters<typeof startServer>[0] = {}) {
  const bridge = await startServer(options);
  // The store is that of the bridge, which only exists now.
  await bridge.restart({ sessionStore: bridge.bridge.mcpSessions });
  const restart = (more: typeof options = {}) =>
    bridge.restart({ sessionStore: bridge.bridge.mcpSessions, ...more });
  const statusOf = async (id: string, headers: Record<string, string> = {}, method = 'POST') => {
    const session = { 'mcp-session-id': id, ...headers };
    if (method === 'POST') return (await post(bridge.url, request('ping'), session)).status;
    const response = await fetch(bridge.url, {
      method,
      headers: { ...session, accept: 'text/event-stream' },
    });
    await response.body?.cancel();
    return response.status;
  };
  return { ...bridge, server: bridge, restart, statusOf };
}

describe('after a restart', () => {
  test("a connected client's next call works, as the agent that it was", async () => {
    await using bridge = await startKeeping();
    const client = await bridge.client();
    const task_id = await client.start({ agent_id: 'me' });
    await bridge.restart();
    expect((await client.ok('get_task_status', { task_id })).structured).toMatchObject({ task_id });
    await bridge.restart();
    expect((await client.ok('list_tasks')).structured.tasks).toMatchObject([{ task_id }]);
    await client.ok('list_tasks', { agent_id: 'another' });
    await bridge.restart();
    expect((await client.call('list_tasks')).error).toMatchObject({ code: 'AGENT_REQUIRED' });
  });

  test('calls that come at once take the session up once', async () => {
    await using bridge = await startKeeping();
    const id = await beginSession(bridge.url);
    await bridge.restart();
    expect(await Promise.all(Array.from({ length: 20 }, () => bridge.statusOf(id)))).toEqual(
      Array(20).fill(200),
    );
    expect(bridge.server.http.open().sessions).toBe(1);
  });

  test('what is not stored is not found: unknown, ended by its client, or ended to make room', async () => {
    await using bridge = await startKeeping({ sessions: { max: 1, idleMs: 60_000 } });
    const ended = await beginSession(bridge.url);
    expect(await bridge.statusOf(ended, {}, 'DELETE')).toBe(200);
    const evicted = await beginSession(bridge.url);
    const kept = await beginSession(bridge.url);
    await bridge.restart();
    const unknown = [ended, evicted, 'unknown', '', '../..', `${kept} `.repeat(300).trim()];
    for (const id of unknown) expect(await bridge.statusOf(id), id).toBe(404);
    expect(await bridge.statusOf(kept)).toBe(200);
    const { body } = await answerOf(post(bridge.url, request('ping', {}, 7), { 'mcp-session-id': ended }));
    expect(body).toMatchObject({ id: 7, error: { code: -32_001 } });
  });

  test('a session ended by its client before it is used again stays ended', async () => {
    await using bridge = await startKeeping();
    const id = await beginSession(bridge.url);
    await bridge.restart();
    expect(await bridge.statusOf(id, {}, 'DELETE')).toBe(200);
    expect(await bridge.statusOf(id)).toBe(404);
    await bridge.restart();
    expect(await bridge.statusOf(id)).toBe(404);
  });
});

describe('with tokens', () => {
  const tokens = [{ token: 'one' }, { token: 'two', agentId: 'two' }];

  test('a stolen session id is worth nothing with another credential, and nothing happens to the session', async () => {
    await using bridge = await startKeeping({ tokens });
    const id = await beginSession(bridge.url, bearer('two'));
    await bridge.restart();
    for (const method of ['POST', 'GET', 'DELETE']) {
      expect(await bridge.statusOf(id, bearer('one'), method), method).toBe(404);
    }
    expect(bridge.server.http.open().sessions).toBe(0);
    expect(await bridge.statusOf(id, bearer('two'))).toBe(200);
    expect(await bridge.statusOf(id, bearer('one'))).toBe(404);
  });

  test("a session whose credential was revoked is nobody's, also where tokens are not needed any more", async () => {
    await using bridge = await startKeeping({ tokens });
    const id = await beginSession(bridge.url, bearer('two'));
    await bridge.restart({ tokens: [{ token: 'one' }] });
    expect(await bridge.statusOf(id, bearer('two'))).toBe(401);
    expect(await bridge.statusOf(id, bearer('one'))).toBe(404);
    await bridge.restart({ tokens: [] });
    for (const headers of [{}, bearer('two')]) expect(await bridge.statusOf(id, headers)).toBe(404);
    const anybodys = await beginSession(bridge.url);
    await bridge.restart({ tokens });
    expect(await bridge.statusOf(anybodys, bearer('one'))).toBe(404);
    expect(await bridge.statusOf(id, bearer('two'))).toBe(200);
  });

  test('a session is the agent that its token is now', async () => {
    await using bridge = await startKeeping({ tokens });
    const client = await bridge.client(bearer('two'));
    const task_id = await client.start();
    await bridge.restart({ tokens: [{ token: 'two', agentId: 'three' }] });
    expect((await client.call('get_task_status', { task_id })).error).toMatchObject({
      code: 'TASK_NOT_FOUND',
    });
  });
});

describe('the store', () => {
  const stored = (store: SqliteMcpSessionStore, logger: Parameters<typeof McpSession.open>[1]) => {
    const clock = { now: 1_000_000 };
    return { clock, records: new SessionRecords(store, logger, () => clock.now) };
  };

  test('keeps a session for seven days after its last use', async () => {
    await using bridge = await startScriptedBridge();
    const { clock, records } = stored(bridge.mcpSessions, bridge.logger);
    records.add('used', 'c', HANDSHAKE);
    records.add('unused', 'c', HANDSHAKE);
    clock.now += 6 * DAY_MS;
    expect(records.find('used', 'c')).toEqual({ handshake: HANDSHAKE, agents: undefined });
    clock.now += 6 * DAY_MS;
    expect(records.find('used', 'c')).toBeDefined();
    expect(records.find('unused', 'c')).toBeUndefined();
    clock.now += 7 * DAY_MS;
    expect(records.find('used', 'c')).toBeUndefined();
  });

  test('has a bound, and one that begins sessions without end pushes out only its own', async () => {
    await using bridge = await startScriptedBridge();
    const { clock, records } = stored(bridge.mcpSessions, bridge.logger);
    records.add('quiet', 'two', HANDSHAKE);
    records.add('used', 'one', HANDSHAKE);
    for (let n = 0; n < 1_200; n += 1) {
      clock.now += 1;
      records.add(`session ${n}`, 'one', HANDSHAKE);
      if (n % 500 === 0) records.used('used', 'one', undefined);
      // What is ended does not count.
      records.add(`ended ${n}`, 'one', HANDSHAKE);
      records.remove(`ended ${n}`, 'one');
    }
    const left = Array.from({ length: 1_200 }, (_, n) => records.find(`session ${n}`, 'one') !== undefined);
    expect(left.indexOf(true)).toBe(202);
    expect(left.filter(Boolean)).toHaveLength(998);
    expect(records.find('used', 'one')).toBeDefined();
    expect(records.find('quiet', 'two')).toBeDefined();
    const session = { proof: 'p', handshake: '{}' };
    for (let n = 0; n < 50; n += 1) {
      bridge.mcpSessions.add({ ...session, idHash: `${n}`, usedAt: clock.now + n }, 0, 10);
    }
    const found = Array.from({ length: 50 }, (_, n) => bridge.mcpSessions.find(`${n}`) !== undefined);
    expect(found.lastIndexOf(false)).toBe(39);
  });

  test('has neither the id nor the credential, and nothing that a client says at length', async () => {
    await using bridge = await startScriptedBridge();
    const { records } = stored(bridge.mcpSessions, bridge.logger);
    const long = { ...HANDSHAKE, capabilities: { experimental: { x: { y: 'z'.repeat(9_000) } } } };
    records.add('the long one', 'secret', long);
    expect(records.find('the long one', 'secret')).toBeUndefined();
    records.add('the id', 'secret', { ...HANDSHAKE, clientInfo: { ...HANDSHAKE.clientInfo, title: 'z' } });
    const files = ['bridge.db', 'bridge.db-wal'].map((name) => readFile(join(bridge.folder, 'data', name)));
    const text = Buffer.concat(await Promise.all(files)).toString('latin1');
    expect(text).toContain('"roots"');
    expect(text).not.toMatch(/the id|secret/);
    expect(records.find('the id', 'secret')).toEqual({ handshake: HANDSHAKE, agents: undefined });
  });

  test('that fails costs a session its survival, and nothing else', async () => {
    const folder = await tempDir('broken-store-');
    const database = openDatabase(folder.path);
    const sessionStore = new SqliteMcpSessionStore(database);
    await using server = await startServer({ sessionStore });
    database.close();
    const client = await server.client();
    await client.ok('ping', { agent_id: 'me' });
    await client.start({ agent_id: 'me' });
    await server.restart();
    await expect(client.ok('ping')).rejects.toThrow('Session not found');
    expect(server.bridge.logger.lines.join()).toContain('sessions of MCP cannot be stored');
    await folder.remove();
  });

  test('has what was idle: its next call takes the session up again', async () => {
    await using bridge = await startScriptedBridge();
    let now = 1_000;
    const sessions = new Sessions({
      limits: { max: 10, idleMs: 500 },
      open: (caller) => McpSession.open(bridge.services, bridge.logger, caller),
      records: new SessionRecords(bridge.mcpSessions, bridge.logger, () => now),
      now: () => now,
    });
    const session = await sessions.begin('c');
    sessions.add(session, HANDSHAKE);
    now += 500;
    sessions.sweep();
    expect(sessions.size).toBe(0);
    expect(await sessions.find(session.id, 'd')).toBeUndefined();
    expect(await sessions.find(session.id, 'c')).toMatchObject({ id: session.id });
    expect(sessions.size).toBe(1);
    await sessions.closeAll();
  });
});
