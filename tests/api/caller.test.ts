import { expect, test } from 'vitest';
import { Caller, ownerOf } from '../../src/api/caller.ts';
import { startScriptedBridge } from '../mcp/bridge.ts';

test('token, header and argument name the caller, in this order', () => {
  expect(new Caller().resolve({ token: 'a' })).toBe('a');
  expect(new Caller().resolve({ header: 'b' })).toBe('b');
  expect(new Caller().resolve({ argument: 'c' })).toBe('c');
  expect(new Caller().resolve({ token: 'a', header: 'a', argument: 'a' })).toBe('a');
});

test.each([
  [{ token: 'a', header: 'b' }, 'bearer token', 'X-Agent-Id header'],
  [{ token: 'a', argument: 'b' }, 'bearer token', 'agent_id argument'],
  [{ header: 'a', argument: 'b' }, 'X-Agent-Id header', 'agent_id argument'],
])('%j is refused and names both sources', (claims, first, second) => {
  expect(() => new Caller().resolve(claims)).toThrow(
    expect.objectContaining({
      code: 'AGENT_MISMATCH',
      message: `The ${first} says agent "a", the ${second} says "b".`,
    }),
  );
});

test.each(['', 'x'.repeat(201), 'a\u0000b', 'a\u007fb'])('%j is no agent id', (header) => {
  expect(() => new Caller().resolve({ header })).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
});

test('"*" names no agent', () => {
  for (const claims of [{ header: '*' }, { argument: '*' }, { token: 'a', header: '*' }]) {
    expect(() => new Caller().resolve(claims)).toThrow(/"\*" stands for all agents/);
  }
});

test('"*" is every agent for who may name any, and the own one for who is bound', () => {
  expect(ownerOf({ header: '*' })).toBeUndefined();
  expect(ownerOf({ argument: '*' })).toBeUndefined();
  expect(ownerOf({ header: '*', argument: '*' })).toBeUndefined();
  expect(ownerOf({ token: 'a', header: '*', argument: '*' })).toBe('a');
  expect(ownerOf({ header: 'b', argument: '*' })).toBe('b');
  expect(ownerOf({})).toBe('default');
  expect(() => ownerOf({ token: 'a', header: 'b', argument: '*' })).toThrow(/token says agent "a"/);
});

test('a refused argument is not remembered', () => {
  const caller = new Caller();
  expect(() => caller.resolve({ header: 'a', argument: 'b' })).toThrow();
  expect(caller.resolve({})).toBe('default');
});

test('without a name the session remembers the one that was used, until there are several', async () => {
  await using bridge = await startScriptedBridge();
  const client = await bridge.client();
  const agentOf = async (args: Record<string, unknown>) => bridge.log.get(await client.start(args))?.agentId;
  expect(await agentOf({})).toBe('default');
  expect(await agentOf({ agent_id: 'one' })).toBe('one');
  expect(await agentOf({})).toBe('one');
  expect(await agentOf({ agent_id: 'two' })).toBe('two');
  const { error, text } = await client.call('list_tasks');
  expect(error?.code).toBe('AGENT_REQUIRED');
  expect(text).toContain('agent_id');
  const other = await bridge.client();
  expect(bridge.log.get(await other.start())?.agentId).toBe('default');
});
