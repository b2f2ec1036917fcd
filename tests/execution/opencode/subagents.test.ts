import { expect, it } from 'vitest';
import { Subagents } from '../../../src/runners/opencode-server/subagents.ts';

const CALL = { id: 'prt', messageID: 'msg', sessionID: 'ses', type: 'tool', tool: 'task' } as const;
const pending = (callID: string, sessionID = 'ses') =>
  ({ ...CALL, callID, sessionID, state: { status: 'pending', input: {} } }) as const;
const running = (callID: string, sessionId?: string) =>
  ({
    ...CALL,
    callID,
    state: { status: 'running', input: {}, ...(sessionId && { metadata: { sessionId } }) },
  }) as const;
const failed = (callID: string) =>
  ({
    ...CALL,
    callID,
    state: { status: 'error', input: {}, error: 'x', time: { start: 0, end: 0 } },
  }) as const;

const two = Subagents.NONE.onPart(pending('a')).onPart(pending('b'));
const created = two.onCreated('ses_a', 'ses').onCreated('ses_b', 'ses');

it('a call names the session of its subagent', () => {
  const named = created.onPart(running('b', 'ses_b')).onPart(running('a', 'ses_a'));
  expect([named.callOf('ses_a'), named.callOf('ses_b'), named.callOf('ses')]).toEqual(['a', 'b', undefined]);
});

it('one call and one session that are left over belong together', () => {
  const left = created.onPart(running('a', 'ses_a')).onPart(running('b'));
  expect(left.callOf('ses_b')).toBe('b');
});

it('nothing is guessed where two calls or two sessions are left over', () => {
  expect(created.callOf('ses_a')).toBeUndefined();
  expect(created.onPart(failed('a')).callOf('ses_b')).toBeUndefined();
  expect(two.onCreated('ses_a', 'ses').callOf('ses_a')).toBeUndefined();
});

it('a session of another session, or one that nobody saw begin, has no call here', () => {
  const left = created.onPart(running('a', 'ses_a'));
  expect(left.onCreated('ses_c', 'ses_a').callOf('ses_c')).toBeUndefined();
  expect(left.onPart(pending('c', 'ses_a')).onCreated('ses_c', 'ses_a').callOf('ses_c')).toBe('c');
  expect(left.callOf('ses_unknown')).toBeUndefined();
});
