import { expect, it } from 'vitest';
import { Projection } from '../../../src/runners/opencode-server/projection.ts';
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

it('a command of a subagent that its call has not named is reported below that call', () => {
  const options = { sessionId: 'ses', directory: '/w', guarded: false, limits: { startMs: 1 } };
  const session = (id: string) => ({
    type: 'session.created' as const,
    properties: { info: { id, parentID: 'ses', directory: '/w', time: { created: 0 } } },
  });
  const updated = (part: ReturnType<typeof pending | typeof running>) => ({
    type: 'message.part.updated' as const,
    properties: { part },
  });
  const before = [updated(pending('a')), updated(pending('b')), session('ses_a'), session('ses_b')];
  let projection = Projection.from(options, []);
  for (const event of [...before, updated(running('a', 'ses_a')), updated(running('b'))])
    [projection] = projection.onEvent(event, []);
  const state = { status: 'running' as const, input: { command: 'ls' } };
  const part = { ...CALL, sessionID: 'ses_b', callID: 'c', tool: 'bash', state };
  const [, events] = projection.onEvent({ type: 'message.part.updated', properties: { part } }, []);
  expect(events).toMatchObject([{ kind: 'tool', phase: 'started', call_id: 'c', parent_call_id: 'b' }]);
});
