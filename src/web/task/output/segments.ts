import type { Style, StyledText } from './ansi.ts';
import type { Range } from './search.ts';

/** A piece of a text that looks the same throughout. */
export interface Segment {
  text: string;
  style?: Style | undefined;
  hit?: 'hit' | 'current' | undefined;
}

/** The part of a text between two offsets in pieces, cut where its style or a hit begins or ends. */
export function segments(
  { plain, runs }: StyledText,
  [from, to]: Range,
  hits: readonly Range[] = [],
  current?: number,
): Segment[] {
  const found: Segment[] = [];
  let run = runs.findIndex(({ end }) => end > from);
  if (run === -1) run = runs.length;
  let hit = hits.findIndex(([, end]) => end > from);
  if (hit === -1) hit = hits.length;
  for (let at = from; at < to; ) {
    const { start: runStart = to, end: runEnd = to, style } = runs[run] ?? {};
    const [hitStart, hitEnd] = hits[hit] ?? [to, to];
    const isStyled = runStart <= at;
    const isHit = hitStart <= at;
    const end = Math.min(to, isStyled ? runEnd : runStart, isHit ? hitEnd : hitStart);
    found.push({
      text: plain.slice(at, end),
      ...(isStyled && { style }),
      ...(isHit && { hit: hit === current ? 'current' : 'hit' }),
    });
    at = end;
    if (at >= runEnd) run += 1;
    if (at >= hitEnd) hit += 1;
  }
  return found;
}
