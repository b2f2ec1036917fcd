import { describe, expect, it } from 'vitest';
import { parseAnsi } from '../../../src/web/task/output/ansi.ts';
import { around, earlier, headExcerpt, later, tailExcerpt } from '../../../src/web/task/output/excerpt.ts';
import { fences } from '../../../src/web/task/output/fences.ts';
import { segments } from '../../../src/web/task/output/segments.ts';

const LONG = 'x'.repeat(5_000_000);

describe('an excerpt', () => {
  it('is all of a short text', () => {
    expect(headExcerpt('a\nb\n', 100, 10)).toEqual([0, 4]);
    expect(headExcerpt('', 100, 10)).toEqual([0, 0]);
  });

  it('has so many lines, or so many characters of a long line', () => {
    expect(headExcerpt('a\nb\nc\nd\ne', 100, 2)).toEqual([0, 3]);
    expect(headExcerpt(LONG, 6_000, 10)).toEqual([0, 6_000]);
  });

  it('has the last lines', () => {
    const text = 'one\ntwo\nthree\n\n';
    expect(text.slice(...tailExcerpt(text, 100, 2))).toBe('two\nthree');
    expect(text.slice(...tailExcerpt(text, 100, 9))).toBe('one\ntwo\nthree');
    expect(tailExcerpt('', 100, 2)).toEqual([0, 0]);
    expect(tailExcerpt(LONG, 500, 3)).toEqual([5_000_000 - 500, 5_000_000]);
  });

  it('grows to a limit, then moves', () => {
    let range: readonly [number, number] = [0, 6_000];
    for (let step = 0; step < 10; step += 1) range = later(LONG, range);
    expect(range).toEqual([66_000, 106_000]);
    expect(earlier(LONG, range)).toEqual([56_000, 96_000]);
    expect(later('abc', [0, 2])).toEqual([0, 3]);
    expect(earlier('abc', [1, 3])).toEqual([0, 3]);
  });

  it('moves to a hit outside of it', () => {
    expect(around(LONG, [0, 6_000], [10, 20])).toEqual([0, 6_000]);
    expect(around(LONG, [0, 6_000], [1_000_000, 1_000_005])).toEqual([998_000, 1_004_005]);
  });

  it('never cuts a character', () => {
    expect(headExcerpt('💡'.repeat(100), 33, 9)).toEqual([0, 32]);
    expect(tailExcerpt('💡'.repeat(100), 33, 9)).toEqual([166, 200]);
  });
});

describe('segments', () => {
  it('are cut where a style or a hit begins and ends', () => {
    const text = parseAnsi('ab\u001b[31mcdef\u001b[0mgh');
    const style = { foreground: 1 };
    expect(
      segments(
        text,
        [1, 8],
        [
          [0, 3],
          [5, 7],
        ],
        1,
      ),
    ).toEqual([
      { text: 'b', hit: 'hit' },
      { text: 'c', style, hit: 'hit' },
      { text: 'de', style },
      { text: 'f', style, hit: 'current' },
      { text: 'g', hit: 'current' },
      { text: 'h' },
    ]);
  });

  it('joined are the text, whatever is in it', () => {
    const { plain, runs } = parseAnsi('\u001b[1ma\u001b[mb\u001b[2mc');
    for (let from = 0; from <= 3; from += 1) {
      for (let to = from; to <= 3; to += 1) {
        const joined = segments({ plain, runs }, [from, to], [[1, 2]]).map(({ text }) => text);
        expect(joined.join('')).toBe('abc'.slice(from, to));
      }
    }
  });
});

describe('code fences', () => {
  const blocks = (text: string) =>
    fences(text, [0, text.length]).map(({ range, isCode }) => [text.slice(...range), isCode]);

  it('divide a text', () => {
    expect(blocks('a\n```js\nb\n```\nc')).toEqual([
      ['a\n', false],
      ['```js\nb\n```', true],
      ['\nc', false],
    ]);
  });

  it('need no end, and no longer one', () => {
    expect(blocks('```\na')).toEqual([['```\na', true]]);
    expect(blocks('````\n```\n````')).toEqual([['````\n```\n````', true]]);
    expect(blocks('plain')).toEqual([['plain', false]]);
  });
});
