import { describe, expect, it } from 'vitest';
import type { TaskEvent, TaskEventKind } from '../../src/web/api/task.ts';
import { EventFilter, summaryOf } from '../../src/web/task/raw/event-filter.ts';

const AT = '2026-01-02T03:04:05.000Z';
const events: TaskEvent[] = [
  { seq: 1, at: AT, kind: 'started' },
  { seq: 2, at: AT, kind: 'output', text: 'I read <b>Main</b>', message_id: 'm', part_id: 'p' },
  { seq: 3, at: AT, kind: 'warning', code: 'X', message: 'main is gone' },
];
const seqs = (kinds: TaskEventKind[], text: string): number[] => {
  const filter = new EventFilter({ kinds: new Set(kinds), text });
  filter.update(events);
  return filter.rows.map(({ seq }) => seq);
};

describe('EventFilter', () => {
  it('finds by kind and by text', () => {
    expect(seqs([], '')).toEqual([1, 2, 3]);
    expect(seqs(['output', 'started'], '')).toEqual([1, 2]);
    expect(seqs([], 'MAIN')).toEqual([2, 3]);
    expect(seqs(['warning'], 'main')).toEqual([3]);
    expect(seqs([], '<B>')).toEqual([2]);
  });

  it('takes each event once, also where the oldest are no longer there', () => {
    const filter = new EventFilter({ kinds: new Set(), text: '' });
    filter.update(events.slice(0, 1));
    filter.update(events.slice(0, 2));
    filter.update(events.slice(1));
    filter.update(events.slice(1));
    expect(filter.rows).toEqual(events);
    expect([...filter.counts]).toEqual([
      ['started', 1],
      ['output', 1],
      ['warning', 1],
    ]);
  });
});

it('a summary is short, however long the event', () => {
  const long: TaskEvent = {
    seq: 1,
    at: AT,
    kind: 'output',
    text: 'x'.repeat(5_000_000),
    message_id: 'm',
    part_id: 'p',
  };
  expect(summaryOf(long, 20)).toBe(`{"text":"${'x'.repeat(11)}…`);
  expect(summaryOf({ seq: 1, at: AT, kind: 'paused' }, 20)).toBe('{}');
});
