import { bodyOf, headOf } from './row-text.ts';
import type { LogRow } from './rows.ts';

/** Hits of one row beyond these are not counted. */
const MAX_HITS = 1_000;

/** Start and end of a hit. */
export type Range = readonly [start: number, end: number];

/** One hit: the `index`th of a row, first those of its head, then those of its body. */
export interface Hit {
  id: number;
  index: number;
}

/** The text, whatever it has of letters with a meaning in patterns; upper and lower case are the same. */
export function patternOf(text: string): RegExp | undefined {
  return text === '' ? undefined : new RegExp(text.replace(/[$()*+./?[\\\]^{|}]/g, '\\$&'), 'giu');
}

export function rangesOf(pattern: RegExp, text: string): Range[] {
  const ranges: Range[] = [];
  for (const { index, 0: hit } of text.matchAll(pattern)) {
    ranges.push([index, index + hit.length]);
    if (ranges.length === MAX_HITS) break;
  }
  return ranges;
}

/** What was found so far, of rows that are searched a few at a time. */
export class Search {
  readonly text: string;
  readonly pattern: RegExp;
  total = 0;
  readonly #counts = new Map<number, number>();

  constructor(text: string, pattern: RegExp) {
    this.text = text;
    this.pattern = pattern;
  }

  /** Searches a row, again if it changed. */
  scan(row: LogRow): void {
    const count =
      rangesOf(this.pattern, headOf(row)).length + rangesOf(this.pattern, bodyOf(row).plain).length;
    this.forget(row.id);
    if (count > 0) this.#counts.set(row.id, count);
    this.total += count;
  }

  /** The row is not shown any more. */
  forget(id: number): void {
    this.total -= this.#counts.get(id) ?? 0;
    this.#counts.delete(id);
  }

  /** The number of a hit, from 1. */
  ordinal({ id, index }: Hit): number {
    let before = 0;
    for (const [other, count] of this.#counts) if (other < id) before += count;
    return before + index + 1;
  }

  /** The hit after or before one, around the end; without one the last hit from a row on upwards, or the first below. */
  next(from: Hit | { id: number }, step: 1 | -1): Hit | undefined {
    const ids = [...this.#counts.keys()].sort((a, b) => a - b);
    const counted = this.#counts.get(from.id);
    if (counted !== undefined && 'index' in from) {
      const index = from.index + step;
      if (index >= 0 && index < counted) return { id: from.id, index };
    }
    const takesOwn = !('index' in from);
    const id =
      step === 1
        ? (ids.find((other) => (takesOwn ? other >= from.id : other > from.id)) ?? ids[0])
        : (ids.findLast((other) => (takesOwn ? other <= from.id : other < from.id)) ?? ids.at(-1));
    if (id === undefined) return undefined;
    return { id, index: step === 1 ? 0 : (this.#counts.get(id) ?? 1) - 1 };
  }
}
