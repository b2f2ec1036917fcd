import type { StyledText } from './ansi.ts';
import { fences } from './fences.ts';
import type { Range } from './search.ts';
import { Styled } from './styled-text.tsx';

interface Props {
  body: StyledText;
  range: Range;
  /** Whether code fences of Markdown get a box. */
  isMarkdown: boolean;
  hits?: readonly Range[] | undefined;
  current?: number | undefined;
  onMore(direction: 'earlier' | 'later'): void;
  /** Whether what is cut off can be shown here; of a folded call it cannot. */
  canGrow: boolean;
}

/** The text of a row: as much of it as is shown, and buttons for the rest. */
export function RowBody({ body, range, isMarkdown, hits = [], current, onMore, canGrow }: Props) {
  const [from, to] = range;
  const rest = body.plain.length - to;
  if (from === to && !canGrow) return null;
  return (
    <>
      {canGrow && from > 0 && <More direction="earlier" count={from} onMore={onMore} />}
      {isMarkdown ? (
        fences(body.plain, range).map(({ range: part, isCode }) => (
          <div class={isCode ? 'log-body log-fence' : 'log-body'} key={part[0]}>
            <Styled text={body} range={trimmed(body.plain, part)} hits={hits} current={current} />
          </div>
        ))
      ) : (
        <div class="log-body">
          <Styled text={body} range={trimmed(body.plain, range)} hits={hits} current={current} />
        </div>
      )}
      {canGrow && rest > 0 && <More direction="later" count={rest} onMore={onMore} />}
    </>
  );
}

const COUNT = new Intl.NumberFormat('en');

function More({
  direction,
  count,
  onMore,
}: { direction: 'earlier' | 'later'; count: number } & Pick<Props, 'onMore'>) {
  return (
    <button type="button" class="log-more" tabIndex={-1} onClick={() => onMore(direction)}>
      {direction === 'later' ? 'Show more' : 'Show earlier'} · {COUNT.format(count)} characters
    </button>
  );
}

/** Without the line feeds at both ends, which would be empty lines. */
function trimmed(text: string, [from, to]: Range): Range {
  let start = from;
  let end = to;
  while (start < end && text[start] === '\n') start += 1;
  while (end > start && text[end - 1] === '\n') end -= 1;
  return [start, end];
}
