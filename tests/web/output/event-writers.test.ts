import { expect, it } from 'vitest';
import type { TaskEvent } from '../../../src/web/api/task.ts';
import { JsonLines, TextLines } from '../../../src/web/task/output/event-writers.ts';

const at = '2026-01-02T03:04:05.000Z';
const EVENTS: TaskEvent[] = [
  { seq: 1, at, kind: 'started' },
  { seq: 2, at, kind: 'tool', phase: 'started', call_id: 'c1', tool: 'bash', title: 'npm test' },
  { seq: 3, at, kind: 'output', text: '\u001b[31mHi\u001b[0m \u0007\n', message_id: 'm', part_id: 'p' },
  {
    ...{ seq: 4, at, kind: 'tool', phase: 'finished', call_id: 'c1', tool: 'bash', title: 'npm test' },
    ...{ ok: false, exit_code: 1, output: 'bad', duration_ms: 5 },
  } as TaskEvent,
  { seq: 5, at, kind: 'tool', phase: 'started', call_id: 'c2', tool: 'bash', title: 'sleep 9' },
];

it('text is the same, however the events are divided', () => {
  const expected = [
    `[${at}] Started`,
    '$ bash npm test\nbad\n(exit 1 · 5 ms)',
    'Hi ␇\n',
    '$ bash sleep 9',
    '',
  ].join('\n');
  for (let size = 1; size <= EVENTS.length; size += 1) {
    const writer = new TextLines();
    let text = '';
    for (let from = 0; from < EVENTS.length; from += size)
      text += writer.write(EVENTS.slice(from, from + size));
    expect(text + writer.end(), `${size} at once`).toBe(expected);
  }
});

it('JSON lines are the events', () => {
  const writer = new JsonLines();
  const text = writer.write(EVENTS) + writer.end();
  expect(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(EVENTS);
});
