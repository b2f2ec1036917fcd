import { expect, test } from 'vitest';
import type { TaskEvent } from '../../src/web/api/task.ts';
import type { DeltaFrame } from '../../src/web/task/frames.ts';
import { LiveText } from '../../src/web/task/live-text.ts';

const delta = (part: string, text: string, more: Partial<DeltaFrame> = {}): DeltaFrame => ({
  type: 'delta',
  kind: 'text',
  part,
  text,
  ...more,
});
const at = '2026-11-26T12:00:00.000Z';
const textsOf = (live: LiveText) => [...live.parts.values()].map(({ part, text }) => [part, text]);

test('frames of a part are joined, and end with the event that has its text', () => {
  const live = new LiveText();
  live.add(delta('a', 'I '));
  live.add(delta('b', '$ ls\n', { kind: 'tool_output' }));
  live.add(delta('a', 'begin'));
  expect(textsOf(live)).toEqual([
    ['a', 'I begin'],
    ['b', '$ ls\n'],
  ]);
  live.finish({ seq: 1, at, kind: 'output', text: 'I begin.', message_id: 'm', part_id: 'a' });
  live.finish({ seq: 2, at, kind: 'tool', phase: 'started', call_id: 'b', tool: 'bash', title: 'ls' });
  expect(textsOf(live)).toEqual([['b', '$ ls\n']]);
  live.finish({ seq: 3, at, kind: 'tool', phase: 'finished', call_id: 'b', tool: 'bash', title: 'ls' });
  expect(textsOf(live)).toEqual([]);
});

test('a reset replaces the text, and a gap stays marked', () => {
  const live = new LiveText();
  live.add(delta('a', 'old'));
  live.add(delta('a', 'end', { gap: true }));
  live.add(delta('a', '!'));
  expect(live.parts.get('a')).toMatchObject({ text: 'oldend!', gap: true });
  live.add(delta('a', 'new', { reset: true }));
  expect(live.parts.get('a')).toMatchObject({ text: 'new', gap: false });
});

test('a failed call of the model ends its text, the end of the task ends all', () => {
  const live = new LiveText();
  live.add(delta('a', 'half a sent'));
  live.add(delta('b', 'output', { kind: 'tool_output' }));
  live.finish({ seq: 1, at, kind: 'retrying', attempt: 1, message: 'overloaded', next_at: at } as TaskEvent);
  expect(textsOf(live)).toEqual([['b', 'output']]);
  live.finish({ seq: 2, at, kind: 'cancelled', by: 'ann' });
  expect(live.parts.size).toBe(0);
});

test('memory is bounded: the end of a long part, the latest of many', () => {
  const live = new LiveText();
  for (let count = 0; count < 30; count += 1) live.add(delta('long', 'x'.repeat(10_000)));
  live.add(delta('long', 'end'));
  const long = live.parts.get('long');
  expect(long?.text.length).toBe(200_000);
  expect(long).toMatchObject({ gap: true, text: expect.stringMatching(/xend$/) });
  for (let part = 0; part < 1_000; part += 1) live.add(delta(`p${part}`, 'x'));
  expect(live.parts.size).toBe(200);
  expect([...live.parts.keys()].at(-1)).toBe('p999');
});
