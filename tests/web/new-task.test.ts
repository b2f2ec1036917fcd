import { describe, expect, test } from 'vitest';
import { Problem } from '../../src/web/api/problem.ts';
import { EMPTY_DRAFT, keyFor, parseStored } from '../../src/web/new-task/draft.ts';
import { executeBody } from '../../src/web/new-task/execute-request.ts';
import { fieldErrorsOf } from '../../src/web/new-task/field-errors.ts';
import { parseTimeLimit, writeTimeLimit } from '../../src/web/new-task/time-limit.ts';
import { startApi } from '../http/rest.ts';

describe('a time limit', () => {
  test.each([
    ['45m', 2_700_000],
    ['1h 30m', 5_400_000],
    ['1h30m', 5_400_000],
    ['90', 5_400_000],
    ['1.5 h', 5_400_000],
    ['20 min', 1_200_000],
    ['500ms', 500],
  ])('is read from %j', (text, ms) => {
    expect(parseTimeLimit(text)).toBe(ms);
  });

  test.each(['', '0', 'soon', '1h x', '-5m', '1h 30', '5 parsecs', '9'.repeat(400)])(
    'is not read from %j',
    (text) => {
      expect(parseTimeLimit(text)).toBeUndefined();
    },
  );

  test.each([1, 999, 3_600_000, 5_400_000, 90_061_001])('is written as it can be read: %d', (ms) => {
    expect(parseTimeLimit(writeTimeLimit(ms))).toBe(ms);
  });
});

describe('a draft', () => {
  test('is sent without what is empty', () => {
    const draft = {
      ...EMPTY_DRAFT,
      description: ' Do it.\n',
      timeLimit: '10m',
      costLimit: '$0.50',
      tokenLimit: '200k',
    };
    expect(executeBody({ ...draft, observers: '@a:b.c, @d:e.f' }, undefined)).toEqual({
      body: {
        task_description: ' Do it.\n',
        timeout_ms: 600_000,
        max_cost_usd: 0.5,
        max_tokens: 200_000,
        observers: ['@a:b.c', '@d:e.f'],
      },
    });
  });

  test('names every field that cannot be sent', () => {
    const draft = { ...EMPTY_DRAFT, timeLimit: 'x', costLimit: '0', tokenLimit: '-1' };
    const outcome = executeBody(draft, undefined);
    expect('errors' in outcome && Object.keys(outcome.errors).sort()).toEqual([
      'costLimit',
      'description',
      'timeLimit',
      'tokenLimit',
    ]);
  });

  test('of a follow-up has no directory of its own', () => {
    const draft = { ...EMPTY_DRAFT, description: 'More.', directory: 'left over' };
    expect(executeBody(draft, 'task_1')).toEqual({
      body: { task_description: 'More.', continue_task_id: 'task_1' },
    });
  });

  test('comes back from the store, and what is none does not', () => {
    const stored = { draft: { ...EMPTY_DRAFT, description: 'x' }, sent: { key: 'k', body: '{}' } };
    expect(parseStored(JSON.stringify(stored))).toEqual(stored);
    expect(parseStored('{"draft":{"description":7,"model":"a/b","more":1}}')).toEqual({
      draft: { ...EMPTY_DRAFT, model: 'a/b' },
      sent: undefined,
    });
    for (const text of [null, '', '[]', '{"draft":[]}', '{']) expect(parseStored(text)).toBeUndefined();
  });

  test('keeps its key as long as it asks for the same', () => {
    const sent = { key: 'old', body: '{"a":1}' };
    expect(keyFor(sent, '{"a":1}', () => 'new')).toBe('old');
    expect(keyFor(sent, '{"a":2}', () => 'new')).toBe('new');
    expect(keyFor(undefined, '{"a":1}', () => 'new')).toBe('new');
  });
});

describe('a refusal is shown at the field that it names', () => {
  const refusals: [object, string[]][] = [
    [{ task_description: ' ' }, ['description']],
    [{ task_description: 'x'.repeat(10_001) }, ['description']],
    [{ timeout_ms: 1e9 }, ['timeLimit']],
    [{ timeout_ms: 1.5, max_tokens: 0, max_cost_usd: -1 }, ['costLimit', 'timeLimit', 'tokenLimit']],
    [{ directory: '/etc' }, ['directory']],
    [{ directory: 'there; `model` "is not" here. `agent` neither' }, ['directory']],
    [{ model: 'nothing' }, ['model']],
    [{ agent: 'x'.repeat(201) }, ['agent']],
    [{ observers: ['@ann:example.org', 'bob'] }, ['observers']],
    [{ callback_url: 'ftp://example.org' }, ['callbackUrl']],
    [{ continue_task_id: 'task_none' }, ['continues']],
    [{ agent_id: 'x'.repeat(300) }, ['owner']],
  ];

  test.each(refusals)('%j', async (input, fields) => {
    await using server = await startApi();
    const { status, body } = await server.api.post('/tasks/execute', { task_description: 'x', ...input });
    const problem = new Problem(status, body.code, body.detail, body.next);
    const { errors, rest } = fieldErrorsOf(problem, 'continue_task_id' in input);
    expect([Object.keys(errors).sort(), rest?.message]).toEqual([fields, undefined]);
  });

  test('in the units of the field', () => {
    const refusal = new Problem(400, 'INVALID_INPUT', '`timeout_ms` 2592000000 is not between 1 and 600000.');
    expect(fieldErrorsOf(refusal, false).errors.timeLimit).toBe(
      '`timeout_ms` 30d is not between 1ms and 10m.',
    );
  });

  test('or above the form', () => {
    const full = new Problem(429, 'QUEUE_FULL', 'The queue is full: `model` has nothing to do with it.');
    expect(fieldErrorsOf(full, false)).toEqual({ errors: {}, rest: full });
  });
});
