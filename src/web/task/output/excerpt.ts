import type { Range } from './search.ts';

/** Characters that are shown more each time. */
const STEP = 10_000;
/** Characters of one row that are shown at once; beyond that the beginning gives way. */
const MAX_SHOWN = 40_000;
const AROUND_HIT = 2_000;

/** What is shown of a long text at first: its first characters, of so many lines. */
export function headExcerpt(text: string, characters: number, lines: number): Range {
  let end = -1;
  for (let line = 0; line < lines; line += 1) {
    end = text.indexOf('\n', end + 1);
    if (end === -1 || end > characters) break;
  }
  const limit = end === -1 ? characters : Math.min(end, characters);
  // A few more characters are shown rather than a button for them.
  return text.length <= limit * 1.2 ? [0, text.length] : [0, boundary(text, limit)];
}

/** The last lines of a text, without the line feeds at its end. */
export function tailExcerpt(text: string, characters: number, lines: number): Range {
  let end = text.length;
  while (end > 0 && text[end - 1] === '\n') end -= 1;
  let start = end;
  for (let line = 0; line < lines && start > 0 && end - start <= characters; line += 1) {
    start = text.lastIndexOf('\n', start - 1);
  }
  return [boundary(text, Math.min(end, Math.max(start + 1, end - characters))), end];
}

export function later(text: string, [from, to]: Range): Range {
  const end = boundary(text, Math.min(text.length, to + STEP));
  return [boundary(text, Math.max(from, end - MAX_SHOWN)), end];
}

export function earlier(text: string, [from, to]: Range): Range {
  const start = boundary(text, Math.max(0, from - STEP));
  return [start, boundary(text, Math.min(to, start + MAX_SHOWN))];
}

/** The excerpt, or another one if a hit is outside of it. */
export function around(text: string, excerpt: Range, [start, end]: Range): Range {
  if (start >= excerpt[0] && end <= excerpt[1]) return excerpt;
  return [
    boundary(text, Math.max(0, start - AROUND_HIT)),
    boundary(text, Math.min(text.length, end + 2 * AROUND_HIT)),
  ];
}

/** The offset, or the one before if it is inside of a surrogate pair. */
function boundary(text: string, offset: number): number {
  return (text.codePointAt(offset - 1) ?? 0) > 0xffff ? offset - 1 : offset;
}
