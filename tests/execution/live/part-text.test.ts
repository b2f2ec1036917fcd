import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { continuation } from '../../../src/execution/live/continuation.ts';
import { AppendedText, MAX_TEXT, WholeText } from '../../../src/execution/live/part-text.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 200 });
/** A text in pieces that may split a character in its middle. */
const pieces = fc.tuple(text, fc.array(fc.nat(400))).map(([whole, at]) => {
  const cuts = [...at.map((n) => n % (whole.length + 1)), 0, whole.length].sort((a, b) => a - b);
  return cuts.slice(1).map((end, index) => whole.slice(cuts[index], end));
});
/** Prints few different characters, so that ends of it come again and again. */
const printed = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 200 });

describe('text that comes by pieces', () => {
  it('is passed on whole, and never half a character', () => {
    fc.assert(
      fc.property(pieces, fc.infiniteStream(fc.boolean()), (all, takes) => {
        const part = new AppendedText(false);
        const taken: string[] = [];
        const take = (): void => {
          const added = part.take();
          if (!added) return;
          expect(added).toMatchObject({ gap: false, reset: false });
          expect(added.text.isWellFormed()).toBe(true);
          taken.push(added.text);
        };
        for (const piece of all) {
          part.append(piece);
          if (takes.next().value) take();
        }
        take();
        expect(taken.join('')).toBe(all.join(''));
      }),
    );
  });

  it('loses its beginning, and says so, where it comes too fast', () => {
    const part = new AppendedText(false);
    for (let n = 0; n < 10_000; n += 1) part.append(`😀${n};`);
    const { text = '', gap } = part.take() ?? {};
    expect(gap).toBe(true);
    expect(text.length).toBeLessThanOrEqual(MAX_TEXT);
    expect(text.isWellFormed()).toBe(true);
    expect(text.endsWith('😀9999;')).toBe(true);
    part.append('more');
    expect(part.take()).toEqual({ text: 'more', gap: false, reset: false });
  });

  it('begins with a whole character where its beginning was not seen', () => {
    const part = new AppendedText(true);
    part.append('\uDE00 later');
    expect(part.take()).toEqual({ text: ' later', gap: true, reset: false });
  });
});

describe('text that comes as a whole', () => {
  it('is what was added', () => {
    const part = new WholeText(true);
    part.show('one\n', false);
    expect(part.take()).toEqual({ text: 'one\n', gap: false, reset: false });
    part.show('one\n', false);
    expect(part.take()).toBeUndefined();
    part.show('one\ntwo\n😀'.slice(0, -1), false);
    expect(part.take()?.text).toBe('two\n');
    part.show('one\ntwo\n😀', false);
    expect(part.take()?.text).toBe('😀');
  });

  it('is its end again where it continues nothing', () => {
    const part = new WholeText(true);
    part.show('one', false);
    part.take();
    part.show('other', false);
    expect(part.take()).toEqual({ text: 'other', gap: false, reset: true });
    const late = new WholeText(false);
    late.show('x'.repeat(20_000), false);
    expect(late.take()).toEqual({ text: 'x'.repeat(8_192), gap: false, reset: true });
  });

  it('goes on behind a gap where more came than is shown', () => {
    const part = new WholeText(true);
    part.show('1'.repeat(30_000), true);
    expect(part.take()).toEqual({ text: '1'.repeat(MAX_TEXT), gap: true, reset: false });
    part.show('2'.repeat(30_000), true);
    expect(part.take()).toEqual({ text: '2'.repeat(8_192), gap: true, reset: false });
  });

  it('is bounded, however long it is', () => {
    const part = new WholeText(true);
    const long = 'ab'.repeat(2 ** 22);
    part.show(long, false);
    part.take();
    part.show(`${long}new`, false);
    expect(part.take()).toEqual({ text: 'new', gap: false, reset: false });
  });
});

describe('continuation', () => {
  it('is what a window over a growing text gained', () => {
    const window = (whole: string): string => whole.slice(-60);
    fc.assert(
      fc.property(printed, printed, (before, added) => {
        const found = continuation(window(before), window(before + added), true);
        // Where the same comes again it may find less than was added, never something that was not.
        expect(found === undefined || (before + added).endsWith(found)).toBe(true);
        if (added.length < 40 && before.length >= 60) expect(found?.length).toBeLessThanOrEqual(added.length);
      }),
    );
    const lines = (from: number, to: number): string =>
      Array.from({ length: to - from }, (_, n) => `line ${from + n}\n`).join('');
    expect(continuation(lines(0, 3_000), lines(100, 3_010), true)).toBe(lines(3_000, 3_010));
    expect(continuation(lines(0, 3_000), lines(3_001, 6_000), true)).toBeUndefined();
    expect(continuation('one', 'other', false)).toBeUndefined();
  });

  it('takes no longer for a text that repeats itself', () => {
    const before = `${'a'.repeat(29_999)}b`;
    expect(continuation(before, `${'a'.repeat(29_999)}c`, true)).toBeUndefined();
    expect(continuation(before, `${'a'.repeat(28_000)}b${'c'.repeat(1_999)}`, true)).toBe('c'.repeat(1_999));
  });
});
