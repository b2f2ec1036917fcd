import { expect, it } from 'vitest';
import { LiveLine } from '../../src/mcp/live-line.ts';
import type { LiveFrame } from '../../src/tasks/live-frame.ts';

const frame = (text: string, more: Partial<LiveFrame> = {}): LiveFrame => ({
  ...{ live: true, kind: 'tool_output', part: 'call_1', at: 0 },
  text,
  ...more,
});

it('is the last line that has something, of the part that grew last', () => {
  const line = new LiveLine();
  expect(line.after(frame('one\ntw'))).toBe('tw');
  expect(line.after(frame('o\n'))).toBe('two');
  expect(line.after(frame('10%\r20%\r'))).toBe('20%');
  expect(line.after(frame('other', { part: 'prt_1' }))).toBe('other');
  expect(line.after(frame('new', { part: 'prt_1', gap: true }))).toBe('new');
  expect(line.after(frame('!', { part: 'prt_1' }))).toBe('new!');
  expect(line.after(frame('again', { part: 'prt_1', reset: true }))).toBe('again');
  expect(new LiveLine().after(frame(' \n\t\n'))).toBeUndefined();
});

it('is one line of plain text, at most 120 characters', () => {
  const line = new LiveLine();
  expect(line.after(frame('\u001b[31mred\u001b[0m\ttab\u0007\u0000 bell'))).toBe('red tab bell');
  const long = line.after(frame(`\n${'😀'.repeat(500)}`)) ?? '';
  expect(long.length).toBeLessThanOrEqual(120);
  expect(long).toMatch(/^…(😀)+$/u);
});
