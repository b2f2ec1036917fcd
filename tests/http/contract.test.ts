import { expect, test } from 'vitest';
import { departures, type Exchange, streamDepartures } from './contract.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const controlled = { task_id: 'task_1', status: 'paused', next: 'Resume it.' };
const problem = {
  type: 'urn:letta-opencode-plugin:error:TASK_NOT_FOUND',
  title: 'Not Found',
  status: 404,
  detail: 'There is none.',
  code: 'TASK_NOT_FOUND',
  next: 'Look.',
  retryable: false,
};
const answered = (changed: Partial<Exchange>, headers: Record<string, string> = {}): Exchange => ({
  method: 'POST',
  path: '/tasks/task_1/pause?agent_id=ann',
  status: 200,
  body: controlled,
  ...changed,
  headers: new Headers({ 'content-type': JSON_TYPE, ...headers }),
});
const refused = (status: number, body: object, headers = {}) =>
  answered(
    { status, body: { ...problem, ...body } },
    { 'content-type': 'application/problem+json', ...headers },
  );

test.each([
  ['an answer as described', answered({})],
  ['an error as described', refused(404, {})],
  ['an unknown path', { ...refused(404, { code: 'NOT_FOUND' }), path: '/tasks/a/b/c' }],
])('%s conforms', (_, exchange) => {
  expect(departures(exchange)).toEqual([]);
});

test.each([
  [
    'a missing field',
    answered({ body: { task_id: 'task_1', status: 'paused' } }),
    /required property 'next'/,
  ],
  [
    'a field that is not described',
    answered({ body: { ...controlled, secret: 1 } }),
    /additional properties/,
  ],
  [
    'a value of another type',
    answered({ body: { ...controlled, status: 'odd' } }),
    /one of the allowed values/,
  ],
  ['a status that is not described', answered({ status: 418 }), /status is not in the document/],
  ['another media type', answered({}, { 'content-type': 'text/html' }), /text\/html is not/],
  ['a code of another route', refused(404, { code: 'FILE_NOT_FOUND' }), /one of the allowed values/],
  ['429 without Retry-After', refused(429, { code: 'RATE_LIMITED' }), /without Retry-After/],
  ['an answer outside of the document', { ...answered({}), path: '/tasks/a/b/c' }, /no such request/],
  [
    'an unknown path without a problem',
    { ...answered({ status: 404 }), path: '/tasks/a/b/c' },
    /is not appl/,
  ],
])('%s departs', (_, exchange, says) => {
  expect(departures(exchange)).toEqual([expect.stringMatching(says)]);
});

test('an event of a stream is one of the vocabulary', () => {
  const event = { seq: 1, at: '2026-01-01T00:00:00.000Z', kind: 'paused' };
  expect(streamDepartures('/tasks/task_1/events', event)).toEqual([]);
  expect(streamDepartures('/tasks/task_1/events', { ...event, kind: 'odd' })).toHaveLength(1);
  expect(streamDepartures('/tasks/task_1/events', { ...event, extra: 1 })).toHaveLength(1);
});
