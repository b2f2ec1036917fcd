import { expect, it, test } from 'vitest';
import { formatTraceparent, parseTraceparent, spanOf } from '../../src/tasks/trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

it.each([
  [`00-${TRACE}-${SPAN}-01`, true],
  [`00-${TRACE}-${SPAN}-00`, false],
  [`01-${TRACE}-${SPAN}-03-what-comes-later`, true],
])('%s has its ids', (text, sampled) => {
  expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, sampled });
});

it.each([
  undefined,
  7,
  '',
  `ff-${TRACE}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-011`,
  `00-${TRACE}-${SPAN}`,
  ` 00-${TRACE}-${SPAN}-01`,
])('%j is none', (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});

test('the span of a task follows from it, in the trace of its caller if there is one', () => {
  const own = spanOf({ id: 'task_1' });
  expect(spanOf({ id: 'task_1' })).toEqual(own);
  expect(own).toMatchObject({ traceId: expect.stringMatching(/^[0-9a-f]{32}$/), sampled: true });
  expect(spanOf({ id: 'task_2' })).not.toMatchObject({ traceId: own.traceId });
  const called = spanOf({ id: 'task_1', traceparent: `00-${TRACE}-${SPAN}-00` });
  expect(called).toEqual({ traceId: TRACE, spanId: own.spanId, sampled: false });
  expect(formatTraceparent(called)).toBe(`00-${TRACE}-${own.spanId}-00`);
});
