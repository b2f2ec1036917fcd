import { describe, expect, it } from 'vitest';
import { parseAnsi, type Style } from '../../../src/web/task/output/ansi.ts';
import { contrast, lookOf, readable } from '../../../src/web/task/output/ansi-colors.ts';

const E = '\u001b';

/** The text in pieces, each with its style. */
function pieces(text: string): [string, Style?][] {
  const { plain, runs } = parseAnsi(text);
  const found: [string, Style?][] = [];
  let at = 0;
  for (const { start, end, style } of runs) {
    if (start > at) found.push([plain.slice(at, start)]);
    found.push([plain.slice(start, end), style]);
    at = end;
  }
  if (at < plain.length) found.push([plain.slice(at)]);
  return found;
}

describe('colours and styles', () => {
  it.each<[string, [string, Style?][]]>([
    ['plain', [['plain']]],
    ['', []],
    [`a${E}[31mb${E}[0mc`, [['a'], ['b', { foreground: 1 }], ['c']]],
    [`${E}[1;4;91mx${E}[my`, [['x', { bold: true, underline: true, foreground: 9 }], ['y']]],
    [`${E}[42;30mx`, [['x', { background: 2, foreground: 0 }]]],
    [`${E}[38;5;208mx${E}[39my`, [['x', { foreground: 208 }], ['y']]],
    [`${E}[38;2;1;2;3;48;2;4;5;6mx`, [['x', { foreground: [1, 2, 3], background: [4, 5, 6] }]]],
    [`${E}[38:2::1:2:3mx`, [['x', { foreground: [1, 2, 3] }]]],
    [`${E}[38:5:17mx`, [['x', { foreground: 17 }]]],
    [`${E}[58;2;1;2;3;31mx`, [['x', { foreground: 1 }]]],
    [`${E}[4:3mx${E}[4:0my`, [['x', { underline: true }], ['y']]],
    [`${E}[1m${E}[22mx`, [['x']]],
    [`${E}[7mx${E}[27my`, [['x', { inverse: true }], ['y']]],
    [`${E}[8mshown`, [['shown']]],
    [
      `${E}[31ma${E}[31mb`,
      [
        ['a', { foreground: 1 }],
        ['b', { foreground: 1 }],
      ],
    ],
  ])('of %j', (text, expected) => {
    expect(pieces(text)).toEqual(expected);
  });

  it.each([`${E}[38;5;999mx`, `${E}[38;2;1mx`, `${E}[38mx`, `${E}[?31mx`, `${E}[99999999999999mx`])(
    'are not taken from %j',
    (text) => expect(pieces(text)).toEqual([['x']]),
  );
});

describe('other sequences', () => {
  it.each([
    [`a${E}[2Kb${E}[1;1Hc${E}[?25ld`, 'abcd'],
    [`a${E}]0;title\u0007b`, 'ab'],
    [`a${E}]8;;http://x${E}\\link${E}]8;;${E}\\b`, 'alinkb'],
    [`a${E}(Bb${E}7c${E}Pq${E}\\d`, 'abcd'],
    [`a${E}[31`, 'a'],
    [`a${E}`, 'a'],
    [`a${E}]0;tit`, 'a'],
  ])('%j are dropped', (text, plain) => {
    expect(parseAnsi(text).plain).toBe(plain);
  });

  it.each([
    ['an ESC before a letter that no sequence has', `a${E}\u00e4b`],
    ['a title that goes over lines', `a${E}]0;title\nsecret`],
    ['a title without an end', `a${E}]${'x'.repeat(2_000)}secret`],
    ['parameters without an end', `a${E}[${'1;'.repeat(2_000)}secret`],
  ])('%s hide nothing', (_, text) => {
    expect(parseAnsi(text).plain).toBe(text);
  });

  it('keep the number of runs bounded, and all of the text', () => {
    const { plain, runs } = parseAnsi(`${E}[31ma${E}[32mb`.repeat(40_000));
    expect(plain).toBe('ab'.repeat(40_000));
    expect(runs.length).toBe(2_000);
  });

  it('are left in a text that is too long', () => {
    const text = `${E}[31m${'x'.repeat(5_000_000)}`;
    expect(parseAnsi(text)).toEqual({ plain: text, runs: [] });
  });
});

describe('the look of a run', () => {
  it('leaves the 16 colours to the theme', () => {
    expect(lookOf({ foreground: 3, bold: true })).toEqual({ class: 'bold color-3' });
  });

  it('can be read on both themes', () => {
    expect(lookOf({ foreground: [255, 255, 255] }).style?.color).toMatch(
      /^light-dark\(rgb\(\d+, \d+, \d+\), rgb\(255, 255, 255\)\)$/,
    );
  });

  it('never hides text in its background', () => {
    const { style } = lookOf({ foreground: [9, 9, 9], background: [9, 9, 9] });
    expect(style?.color).not.toBe(style?.backgroundColor);
    expect(style?.backgroundColor).toBe('rgb(9, 9, 9)');
  });

  it('swaps the colours of inverse text', () => {
    expect(lookOf({ inverse: true })).toEqual({ class: 'inverse' });
    expect(lookOf({ inverse: true, foreground: 15 }).style).toEqual({
      color: 'rgb(0, 0, 0)',
      backgroundColor: 'rgb(255, 255, 255)',
    });
  });

  it('has enough contrast, whatever was asked for', () => {
    for (let value = 0; value < 256; value += 15) {
      for (const ground of [0, 60, 119, 128, 200, 255]) {
        const back = [ground, ground, ground] as const;
        expect(contrast(readable([value, value, 128], back), back)).toBeGreaterThanOrEqual(4.5);
      }
    }
  });
});
