const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** Longest grapheme kept whole, in code units; longer ones are cut between surrogate pairs. */
const LONGEST = 32;
/** Code units examined on each side of a cut, however long the text is. */
const REACH = 2 * LONGEST;

/** The first whole characters of a text, at most `limit` code units. */
export function head(text: string, limit: number): string {
  return text.length > limit ? text.slice(0, characterAt(text, limit).start) : text;
}

/** The last whole characters of a text, at most `limit` code units. */
export function tail(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const from = text.length - limit;
  const { start, end } = characterAt(text, from);
  return text.slice(start === from ? from : end);
}

/** At most `limit` code units, a final "…" included if the text is longer. */
export function cut(text: string, limit: number): string {
  return text.length > limit ? `${head(text, limit - 1)}…` : text;
}

/** At most `limit` code units of a text; one that is longer ends in "…" and its length. */
export function cutWithLength(text: string, limit: number): string {
  return text.length > limit ? `${head(text, limit)}… (${text.length} characters)` : text;
}

/** The same value without lone surrogates in its strings: strict JSON parsers refuse a document that has one. */
export function wellFormed<T>(value: T): T;
export function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map((item) => wellFormed(item));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([name, held]) => [name.toWellFormed(), wellFormed(held)]);
  return Object.fromEntries(entries);
}

/** Start and end of the character that contains the code unit at `position`. */
function characterAt(text: string, position: number): { start: number; end: number } {
  const from = wholePair(text, Math.max(0, position - REACH));
  const found = graphemes.segment(text.slice(from, position + REACH)).containing(position - from);
  const length = found?.segment.length ?? 0;
  const start = from + (found?.index ?? 0);
  if (length <= LONGEST && (start > from || from === 0)) return { start, end: start + length };
  const pair = wholePair(text, position);
  return { start: pair, end: pair === position ? position : position + 1 };
}

/** The position, or the one before it if it is inside a surrogate pair. */
function wholePair(text: string, position: number): number {
  return /^[\uD800-\uDBFF][\uDC00-\uDFFF]$/.test(text.slice(position - 1, position + 1))
    ? position - 1
    : position;
}
