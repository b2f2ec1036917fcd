import { visible } from '../../parts/plain-text.ts';
import type { StyledText } from './ansi.ts';
import { lookOf } from './ansi-colors.ts';
import type { Range } from './search.ts';
import { type Segment, segments } from './segments.ts';
import './ansi.css';

interface Props {
  text: StyledText;
  range: Range;
  hits?: readonly Range[];
  /** The index of the hit where the search is. */
  current?: number | undefined;
}

/** A part of a text with its colours and with the hits of a search. */
export function Styled({ text, range, hits, current }: Props) {
  return <>{segments(text, range, hits, current).map(pieceOf)}</>;
}

function pieceOf({ text, style, hit }: Segment) {
  const shown = visible(text);
  if (!style && !hit) return shown;
  const look = style && lookOf(style);
  if (hit) return <mark class={hit === 'current' ? 'current' : ''}>{shown}</mark>;
  return (
    <span class={look?.class} {...(look?.style && { style: look.style })}>
      {shown}
    </span>
  );
}
