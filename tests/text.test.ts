import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cut, head, tail, wellFormed } from '../src/text.ts';

const FAMILY = '👨‍👩‍👧';
const piece = fc.constantFrom('a', ' ', '\n', 'ä', 'e\u0301', '😀', FAMILY, '🇩🇪', '\r\n', 'க்ஷி');
const texts = fc.string({ unit: piece, maxLength: 60 });
const limits = fc.integer({ min: 1, max: 80 });
const segments = (text: string): string[] =>
  Array.from(
    new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text),
    ({ segment }) => segment,
  );

it('cuts between two characters, at the end and at the start', () => {
  expect(head('ab😀', 3)).toBe('ab');
  expect(head(`ab${FAMILY}`, 8)).toBe('ab');
  expect(head('abe\u0301', 3)).toBe('ab');
  expect(tail('😀ab', 3)).toBe('ab');
  expect(tail(`${FAMILY}ab`, 8)).toBe('ab');
  expect(cut('ab😀', 3)).toBe('ab…');
  expect(cut('abc', 3)).toBe('abc');
  expect([head('😀', 1), tail('😀', 1), cut('😀', 1)]).toEqual(['', '', '…']);
});

it('keeps whole characters of what people write, and as many as fit', () => {
  fc.assert(
    fc.property(texts, limits, (text, limit) => {
      const parts = segments(text);
      const [first, last] = [head(text, limit), tail(text, limit)];
      expect(text.startsWith(first) && text.endsWith(last)).toBe(true);
      expect(first).toBe(parts.slice(0, segments(first).length).join(''));
      expect(last).toBe(parts.slice(parts.length - segments(last).length).join(''));
      for (const kept of [first, last]) expect(kept.length).toBeLessThanOrEqual(limit);
      const next = parts[segments(first).length];
      if (next !== undefined) expect(first.length + next.length).toBeGreaterThan(limit);
    }),
  );
});

it('cuts one endless character too, never within a pair', () => {
  const zalgo = `e${'\u0301'.repeat(5_000)}`;
  expect(head(zalgo, 2_000)).toHaveLength(2_000);
  expect(tail(zalgo, 2_000)).toHaveLength(2_000);
  const joined = '😀\u200d'.repeat(5_000);
  for (const limit of [1_999, 2_000, 2_001, 2_002]) {
    expect(head(joined, limit)).toSatisfy((text: string) => text.isWellFormed() && text.length > limit - 2);
    expect(tail(joined, limit)).toSatisfy((text: string) => text.isWellFormed() && text.length > limit - 2);
  }
});

it('looks at a few characters of a text of any length', () => {
  const huge = 'e\u0301😀'.repeat(2_000_000);
  const began = performance.now();
  for (let n = 0; n < 100; n += 1) cut(huge, 4_000 + n);
  expect(performance.now() - began).toBeLessThan(500);
});

it('makes every string of a value well-formed, and changes nothing else', () => {
  const value = { a: ['\ud83d', 1, null, undefined, { '\ude00': '😀' }], b: true };
  expect(wellFormed(value)).toEqual({ a: ['\ufffd', 1, null, undefined, { '\ufffd': '😀' }], b: true });
  fc.assert(
    fc.property(fc.anything({ key: fc.string({ unit: 'binary' }) }), (any) => {
      expect(wellFormed(any)).toEqual(any);
    }),
  );
});
