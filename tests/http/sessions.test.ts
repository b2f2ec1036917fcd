import { expect, test } from 'vitest';
import { Sessions } from '../../src/http/sessions.ts';
import { McpSession } from '../../src/mcp/session.ts';
import { startScriptedBridge } from '../mcp/bridge.ts';

test('sessions without an open stream are closed after their time, others are not', async () => {
  await using bridge = await startScriptedBridge();
  let now = 1_000;
  const sessions = new Sessions({
    limits: { max: 10, idleMs: 500 },
    open: (caller) => McpSession.open(bridge.services, bridge.logger, caller),
    now: () => now,
  });
  const open = async () => {
    const session = await sessions.begin(undefined);
    sessions.add(session);
    return session;
  };
  const [idle, streaming] = [await open(), await open()];
  sessions.streamOpened(streaming);
  now += 499;
  sessions.sweep();
  expect(sessions.size).toBe(2);
  now += 1;
  sessions.sweep();
  expect(sessions.size).toBe(1);
  expect(await sessions.find(idle.id, undefined)).toBeUndefined();
  sessions.streamClosed(streaming);
  now += 500;
  sessions.sweep();
  expect(sessions.size).toBe(0);
  await sessions.closeAll();
});
