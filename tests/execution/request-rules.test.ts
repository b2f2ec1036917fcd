import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { BridgeError } from '../../src/errors.ts';
import { InputRequests, type PermissionPolicy } from '../../src/execution/input-requests.ts';
import type { RunnerAnswer } from '../../src/runners/runner.ts';
import type { InputRequest } from '../../src/tasks/events.ts';

const NOW = 1_000_000;
const LIMIT_MS = 60_000;
const PERMISSION: InputRequest = { id: 'per_1', type: 'permission', title: 'Allow', session_id: 'ses_1' };
const QUESTION: InputRequest = {
  id: 'que_1',
  type: 'question',
  title: 'Which?',
  session_id: 'ses_1',
  questions: [
    { header: 'A', question: 'Which?', options: [] },
    { header: 'B', question: 'How many?', options: [] },
  ],
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function start(policy: PermissionPolicy = 'ask', outside: PermissionPolicy = 'reject') {
  const send = vi.fn<(id: string, answer: RunnerAnswer) => Promise<void>>(async () => undefined);
  const closed = vi.fn<(event: object | undefined) => void>();
  const onFailure = vi.fn();
  const requests = new InputRequests({
    rules: { policy, outside, timeoutMs: LIMIT_MS },
    send,
    onClosed: (event) => closed(requests.closed(event)),
    onFailure,
  });
  return { requests, send, closed, onFailure };
}

it('rejects with a reason at the deadline, and not before', async () => {
  const { requests, send, closed } = start();
  expect(requests.opened(PERMISSION, NOW).request.expires_at).toBe(NOW + LIMIT_MS);
  await vi.advanceTimersByTimeAsync(LIMIT_MS - 1);
  expect(send).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  const message = expect.stringContaining('Nobody answered within 60 s');
  expect(send.mock.calls).toEqual([['per_1', { type: 'permission', reply: 'reject', message }]]);
  expect(closed.mock.calls).toMatchObject([[{ by: 'deadline', reply: 'reject', message }]]);
});

it.each([
  ['ask', 'reject', 'reject'],
  ['allow', 'reject', 'reject'],
  ['reject', 'allow', 'once'],
] as const)(
  'under policy %s decides by %s what lies outside the directory',
  async (policy, outside, reply) => {
    const { requests, send } = start(policy, outside);
    requests.opened({ ...PERMISSION, permission: 'external_directory' }, NOW);
    await vi.advanceTimersByTimeAsync(0);
    expect(send.mock.calls).toMatchObject([['per_1', { type: 'permission', reply }]]);
  },
);

it('gives a question words in place of an answer', async () => {
  const { requests, send } = start();
  requests.opened(QUESTION, NOW);
  await vi.advanceTimersByTimeAsync(LIMIT_MS);
  const words = [expect.stringContaining('Nobody answered')];
  expect(send).toHaveBeenCalledWith('que_1', { type: 'question', answers: [words, words] });
});

it.each([
  ['allow', { reply: 'once' }],
  ['reject', { reply: 'reject', message: expect.stringContaining('operator') }],
] as const)('policy %s answers permissions at once, questions never', async (policy, answer) => {
  const { requests, send, closed } = start(policy);
  requests.opened(PERMISSION, NOW);
  requests.opened(QUESTION, NOW);
  await vi.advanceTimersByTimeAsync(0);
  expect(send.mock.calls).toEqual([['per_1', { type: 'permission', ...answer }]]);
  expect(closed.mock.calls).toMatchObject([[{ by: `policy ${policy}` }]]);
  expect(requests.closeAll('end')).toMatchObject([{ request_id: 'que_1', by: 'end', reply: 'none' }]);
});

it.each([
  ['allow', 'reject', {}, { by: 'policy allow', reply: 'once' }],
  ['ask', 'allow', { permission: 'external_directory' }, { by: 'policy allow', reply: 'once' }],
  [
    'reject',
    'ask',
    {},
    { by: 'policy reject', reply: 'reject', message: expect.stringContaining('operator') },
  ],
  ['ask', 'reject', {}, { by: 'deadline', message: expect.stringContaining('Nobody answered') }],
] as const)(
  'under policies %s and %s says after a restart who decides (%o)',
  async (policy, outside, permission, closing) => {
    const { requests, closed } = start(policy, outside);
    requests.restore({ ...PERMISSION, ...permission, expires_at: NOW }, NOW + 5_000);
    await vi.advanceTimersByTimeAsync(0);
    expect(closed.mock.calls).toMatchObject([[closing]]);
  },
);

it('lets the policy decide at once about what was asked before it was set', async () => {
  const { requests, closed } = start('allow');
  requests.restore({ ...PERMISSION, expires_at: NOW + LIMIT_MS }, NOW);
  await vi.advanceTimersByTimeAsync(0);
  expect(closed.mock.calls).toMatchObject([[{ by: 'policy allow' }]]);
});

it('tries the deadline again where OpenCode could not be reached', async () => {
  const { requests, send, closed, onFailure } = start();
  send.mockRejectedValueOnce(new BridgeError('ENGINE_UNAVAILABLE', 'away'));
  requests.opened(PERMISSION, NOW);
  await vi.advanceTimersByTimeAsync(LIMIT_MS);
  expect(onFailure).toHaveBeenCalledOnce();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(closed.mock.calls).toMatchObject([[{ by: 'deadline' }]]);
});

it('takes it as closed where OpenCode says at the deadline that it is', async () => {
  const { requests, send, closed, onFailure } = start();
  send.mockRejectedValueOnce(new BridgeError('REQUEST_CLOSED', 'gone'));
  requests.opened(PERMISSION, NOW);
  await vi.advanceTimersByTimeAsync(LIMIT_MS);
  expect(closed.mock.calls).toMatchObject([[{ by: 'opencode' }]]);
  expect(onFailure).not.toHaveBeenCalled();
});

it('leaves a request open whose answer could not be sent', async () => {
  const { requests, send } = start();
  send.mockRejectedValueOnce(new BridgeError('ENGINE_UNAVAILABLE', 'away'));
  requests.opened(PERMISSION, NOW);
  await expect(requests.answer('per_1', { reply: 'once' }, 'Alice')).rejects.toThrow('away');
  await requests.answer('per_1', { reply: 'reject' }, 'Bob');
  expect(send).toHaveBeenLastCalledWith('per_1', {
    type: 'permission',
    reply: 'reject',
    message: 'Rejected by Bob. Continue without it.',
  });
});

it('does not let the deadline overtake an answer on its way', async () => {
  const { requests, send, closed } = start();
  const sending = Promise.withResolvers<void>();
  send.mockReturnValueOnce(sending.promise);
  requests.opened(PERMISSION, NOW);
  const answered = requests.answer('per_1', { reply: 'always' }, 'Alice');
  await vi.advanceTimersByTimeAsync(LIMIT_MS + 500);
  sending.resolve();
  await answered;
  expect(send).toHaveBeenCalledOnce();
  expect(closed.mock.calls).toMatchObject([[{ by: 'Alice', reply: 'always' }]]);
});

it.each(['once', 'unknown', 'answered'])(
  'knows an answer of which nothing came back for its own, where OpenCode then tells of it as %s',
  async (reply) => {
    const { requests, send } = start();
    requests.opened(PERMISSION, NOW);
    send.mockRejectedValueOnce(new BridgeError('ENGINE_UNAVAILABLE', 'away'));
    await expect(requests.answer('per_1', { reply: 'once' }, 'Alice')).rejects.toThrow('away');
    const heard = { kind: 'request_closed', request_id: 'per_1', by: 'opencode', reply } as const;
    expect(requests.closed(heard)).toMatchObject({ by: 'Alice', reply: 'once' });
  },
);

it('takes another answer than its own for that of somebody else, though its own is on its way', async () => {
  const { requests, send } = start();
  const refused = Promise.withResolvers<void>();
  send.mockReturnValueOnce(refused.promise);
  requests.opened(PERMISSION, NOW);
  const answered = requests.answer('per_1', { reply: 'reject' }, 'Alice');
  const heard = { kind: 'request_closed', request_id: 'per_1', by: 'opencode', reply: 'once' } as const;
  expect(requests.closed(heard)).toMatchObject({ by: 'opencode', reply: 'once' });
  refused.reject(new BridgeError('REQUEST_CLOSED', 'gone'));
  await expect(answered).rejects.toMatchObject({ code: 'REQUEST_CLOSED' });
});

it('does not take for its own what was closed before its answer came', async () => {
  const { requests, send } = start();
  requests.opened(PERMISSION, NOW);
  send.mockRejectedValueOnce(new BridgeError('REQUEST_CLOSED', 'gone'));
  await expect(requests.answer('per_1', { reply: 'once' }, 'Alice')).rejects.toThrow('gone');
  const heard = { kind: 'request_closed', request_id: 'per_1', by: 'opencode', reply: 'once' } as const;
  expect(requests.closed(heard)).toMatchObject({ by: 'opencode' });
});

it('names who answered the one where OpenCode closes the other with it', async () => {
  const { requests } = start();
  requests.opened(PERMISSION, NOW);
  requests.opened({ ...PERMISSION, id: 'per_2' }, NOW);
  await requests.answer('per_1', { reply: 'always' }, 'Alice');
  const heard = { kind: 'request_closed', request_id: 'per_2', by: 'per_1', reply: 'always' } as const;
  expect(requests.closed(heard)).toMatchObject({ request_id: 'per_2', by: 'Alice', reply: 'always' });
});

it('keeps who answered, where OpenCode tells of it first', async () => {
  const { requests, send, closed } = start();
  send.mockImplementationOnce(async () => {
    const heard = { kind: 'request_closed', request_id: 'per_1', by: 'opencode', reply: 'once' } as const;
    expect(requests.closed(heard)).toMatchObject({ by: 'Alice', reply: 'once' });
  });
  requests.opened(PERMISSION, NOW);
  await requests.answer('per_1', { reply: 'once' }, 'Alice');
  expect(closed.mock.calls).toEqual([[undefined]]);
});
