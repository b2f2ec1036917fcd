import { expect, test } from 'vitest';
import { visible } from '../../src/web/parts/plain-text.ts';

test.each([
  ['plain text, tabs\t and\nlines', 'plain text, tabs\t and\nlines'],
  ['<b>&amp;</b>', '<b>&amp;</b>'],
  ['bell\u0007 escape\u001b[31m', 'bell\u2407 escape\u241b[31m'],
  ['delete\u007f', 'delete\u2421'],
  ['C1 \u009b', 'C1 ⟨U+009B⟩'],
  ['evil\u202egnp.exe', 'evil⟨U+202E⟩gnp.exe'],
  ['isolates \u2066a\u2069', 'isolates ⟨U+2066⟩a⟨U+2069⟩'],
  ['zero\u200bwidth', 'zero⟨U+200B⟩width'],
  ['\ufeffmark', '⟨U+FEFF⟩mark'],
  ['emoji 👩‍👩‍👧 and ñ', 'emoji 👩‍👩‍👧 and ñ'],
])('%j is shown as %j', (text, shown) => {
  expect(visible(text)).toBe(shown);
});
