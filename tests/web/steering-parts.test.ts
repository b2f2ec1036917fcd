import { expect, it } from 'vitest';
import { Problem } from '../../src/web/api/problem.ts';
import type { EventOf, InputRequest, TaskEvent } from '../../src/web/api/task.ts';
import { firstLine } from '../../src/web/parts/first-line.ts';
import { formatTimer, timeLeft } from '../../src/web/parts/timer.ts';
import { usageInWords } from '../../src/web/task/header/usage.ts';
import { usedMs } from '../../src/web/task/header/used-time.ts';
import { windowTitle } from '../../src/web/task/header/window-title.ts';
import { AnswerOnce } from '../../src/web/task/requests/answer-state.ts';
import { answersOf, choose, NO_CHOICE, write } from '../../src/web/task/requests/question-answers.ts';
import { closingInWords, ShownRequests } from '../../src/web/task/requests/shown-requests.ts';
import { Action } from '../../src/web/task/steering/action.ts';
import { deliveryOf } from '../../src/web/task/steering/message-key.ts';

it.each([
  [-1, '0:00'],
  [999, '0:00'],
  [7_000, '0:07'],
  [725_900, '12:05'],
  [3_599_999, '59:59'],
  [3_725_000, '1:02:05'],
])('a timer shows %d ms as %s', (ms, text) => expect(formatTimer(ms)).toBe(text));

it('a countdown is at 0:00 when the time is over, not before', () => {
  expect(formatTimer(timeLeft(10_000, 5_001))).toBe('0:05');
  expect(formatTimer(timeLeft(10_000, 9_999))).toBe('0:01');
  expect(formatTimer(timeLeft(10_000, 10_000))).toBe('0:00');
  expect(formatTimer(timeLeft(10_000, 99_000))).toBe('0:00');
});

it('the time of a task runs while it works or asks, and stands while it waits or is paused', () => {
  expect(usedMs({ used_ms: 500, status: 'running' }, 1_000, 3_000)).toBe(2_500);
  expect(usedMs({ used_ms: 500, status: 'input_required' }, 1_000, 3_000)).toBe(2_500);
  for (const status of ['queued', 'paused', 'completed', 'failed'] as const) {
    expect(usedMs({ used_ms: 500, status }, 1_000, 3_000)).toBe(500);
  }
  // The clock of the computer was set back meanwhile.
  expect(usedMs({ used_ms: 500, status: 'running' }, 3_000, 1_000)).toBe(500);
});

it('the title says the state first, and hides no characters of a hostile description', () => {
  expect(windowTitle({ status: 'input_required', description: '\n\n  Fix it.  \nMore.' })).toBe(
    'Asks you: Fix it.',
  );
  expect(firstLine('a\u202eb\u0007', 10)).toBe('a⟨U+202E⟩…');
  expect([...firstLine('🙂'.repeat(500), 80)]).toHaveLength(80);
  expect(firstLine('', 80)).toBe('');
});

it('tokens in words', () => {
  const none = {
    input_tokens: 0,
    output_tokens: 0,
    reasoning_tokens: 0,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
  };
  expect(usageInWords({ ...none, cost_usd: 0 })).toBe('None yet');
  expect(usageInWords({ ...none, input_tokens: 5, cache_read_tokens: 7, cost_usd: 1 })).toBe(
    '5 input, 7 read from the cache',
  );
});

const key = {
  key: 'Enter',
  shiftKey: false,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  isComposing: false,
};

it('Enter queues a message, Ctrl+Enter interrupts, Shift+Enter and an input method do neither', () => {
  expect(deliveryOf(key)).toBe('queue');
  expect(deliveryOf({ ...key, ctrlKey: true })).toBe('interrupt');
  expect(deliveryOf({ ...key, metaKey: true })).toBe('interrupt');
  expect(deliveryOf({ ...key, shiftKey: true })).toBeUndefined();
  expect(deliveryOf({ ...key, isComposing: true })).toBeUndefined();
  expect(deliveryOf({ ...key, key: 'a' })).toBeUndefined();
});

it('an answer is sent once: a second one while it is sent, or after it, is none', async () => {
  const once = new AnswerOnce();
  let sent = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const deliver = (): Promise<void> => {
    sent += 1;
    return promise;
  };
  const first = once.send(deliver);
  await once.send(deliver);
  expect(once.state.value.phase).toBe('sending');
  resolve();
  await first;
  await once.send(deliver);
  expect([sent, once.state.value.phase]).toEqual([1, 'sent']);
});

it('an answer that was refused can be given again', async () => {
  const once = new AnswerOnce();
  const problem = new Problem(409, 'REQUEST_CLOSED', 'Answered by ann.');
  await once.send(() => Promise.reject(problem));
  expect(once.state.value).toEqual({ phase: 'open', problem });
  await once.send(() => Promise.resolve());
  expect(once.state.value).toEqual({ phase: 'sent' });
});

it('an action that runs is not begun again; its problem goes with the next one', async () => {
  const action = new Action();
  expect(await action.run(() => Promise.reject(new Problem(409, 'INVALID_STATE', 'It has ended.')))).toBe(
    false,
  );
  expect(action.problem.value?.message).toBe('It has ended.');
  const running = action.run(() => Promise.resolve('Done.'));
  expect(action.problem.value).toBeUndefined();
  expect(await action.run(() => Promise.resolve('Twice.'))).toBe(false);
  expect(await running).toBe(true);
  expect(action.effect.value).toBe('Done.');
});

const labels = (...names: string[]) => names.map((label) => ({ label, description: label }));
const one = { header: 'h', question: 'q', options: labels('A', 'B') };
const many = { ...one, multiple: true };

it('a question with a single answer has the last choice, or the words', () => {
  const a = choose(one, NO_CHOICE, 'A', true);
  expect(answersOf([one], [a])).toEqual({ answers: [['A']] });
  expect(answersOf([one], [choose(one, a, 'B', true)])).toEqual({ answers: [['B']] });
  const words = write(one, a, ' neither ');
  expect(answersOf([one], [words])).toEqual({ answers: [['neither']] });
  expect(answersOf([one], [choose(one, words, 'A', true)])).toEqual({ answers: [['A']] });
});

it('a question with several has them in the order of the options, and the words last', () => {
  const b = choose(many, NO_CHOICE, 'B', true);
  const both = write(many, choose(many, b, 'A', true), 'C');
  expect(answersOf([many], [both])).toEqual({ answers: [['A', 'B', 'C']] });
  expect(answersOf([many], [choose(many, both, 'A', false)])).toEqual({ answers: [['B', 'C']] });
});

it('says which questions have no answer', () => {
  expect(answersOf([one, many, one], [choose(one, NO_CHOICE, 'A', true)])).toEqual({ missing: [1, 2] });
  expect(answersOf([one], [write(one, NO_CHOICE, '  ')])).toEqual({ missing: [0] });
});

const request = (id: string): InputRequest => ({ id, type: 'permission', title: id, session_id: 's' });
const closed = (seq: number, request_id: string, by: string, reply = 'once'): TaskEvent => ({
  seq,
  at: '2026-01-02T03:04:05.000Z',
  kind: 'request_closed',
  request_id,
  by,
  reply,
});

it('a request that was open here and was closed elsewhere says by whom', () => {
  const shown = new ShownRequests(4);
  shown.update([request('a'), request('b')], []);
  shown.update([request('a'), request('b')], [closed(5, 'a', '@ann:example.org')]);
  expect(shown.open.map(({ id }) => id)).toEqual(['b']);
  expect(shown.closed.map(({ request }) => request.id)).toEqual(['a']);
  // The task is read before the event came, and after it: both ways it is gone.
  shown.update([request('b')], []);
  shown.update([], []);
  shown.update([], [closed(6, 'b', 'policy allow'), closed(7, 'c', 'ann')]);
  expect(shown.closed).toHaveLength(1);
  expect(shown.seq).toBe(7);
  shown.dismiss('a');
  expect(shown.closed).toEqual([]);
});

it('a request that left the task before its closing came is still known then', () => {
  const shown = new ShownRequests(4);
  shown.update([request('a')], []);
  shown.update([], []);
  shown.update([], [closed(5, 'a', 'ann')]);
  expect(shown.closed.map(({ request }) => request.id)).toEqual(['a']);
});

it.each([
  [{ by: 'ann', reply: 'once' }, false, 'Allowed once by ann'],
  [{ by: 'default', reply: 'always' }, true, 'Allowed always by you'],
  [{ by: 'deadline', reply: 'reject' }, false, 'Rejected at the deadline'],
  [{ by: 'ann', reply: 'SQLite; A, B' }, false, 'Answered by ann: SQLite; A, B'],
  [{ by: 'pause', reply: 'none' }, false, 'No longer needed: pause'],
  [{ by: 'opencode', reply: 'unknown' }, false, 'Answered by opencode'],
])('%o, mine: %s → %s', (closing, mine, text) => {
  const event: EventOf<'request_closed'> = {
    seq: 1,
    at: '',
    kind: 'request_closed',
    request_id: 'r',
    ...closing,
  };
  expect(closingInWords(event, mine)).toBe(text);
});
