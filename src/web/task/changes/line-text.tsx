import { visible } from '../../parts/plain-text.ts';
import type { Token } from './highlight.ts';
import type { Piece } from './word-marks.ts';

/** Characters of a line that are shown: a line of megabytes would stop the browser. */
const MAX_LINE = 2_000;

/** A line of a file, as text: plain, in colours, or with marks where it differs from another. */
export function LineText({ text, tokens, pieces }: { text: string; tokens?: Token[]; pieces?: Piece[] }) {
  const rest = text.length - MAX_LINE;
  if (rest > 0) {
    return (
      <code>
        {visible(text.slice(0, MAX_LINE))}
        <span class="cut"> … {rest.toLocaleString()} more characters</span>
      </code>
    );
  }
  if (pieces) {
    return (
      <code>
        {pieces.map(({ text, changed }) => (changed ? <mark>{visible(text)}</mark> : visible(text)))}
      </code>
    );
  }
  if (tokens) {
    return (
      <code>
        {tokens.map(({ text, class: name }) =>
          name ? <span class={name}>{visible(text)}</span> : visible(text),
        )}
      </code>
    );
  }
  return <code>{visible(text)}</code>;
}
