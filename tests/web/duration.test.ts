import { expect, test } from 'vitest';
import { formatAge, formatDuration } from '../../src/web/parts/duration.ts';

test.each([
  [-5, '0 ms'],
  [0, '0 ms'],
  [999, '999 ms'],
  [999.6, '999 ms'],
  [1_000, '1.0 s'],
  [9_999, '9.9 s'],
  [10_000, '10 s'],
  [59_999, '59 s'],
  [60_000, '1 m 0 s'],
  [3_599_999, '59 m 59 s'],
  [3_600_000, '1 h 0 m'],
  [7_830_000, '2 h 10 m'],
  [90_000_000, '1 d 1 h'],
])('%d ms are %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  [-1, '0 s'],
  [999, '0 s'],
  [59_000, '59 s'],
  [60_000, '1 m'],
  [7_200_000, '2 h'],
  [200_000_000, '2 d'],
])('an age of %d ms is %s', (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});
