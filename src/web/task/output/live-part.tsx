import type { LivePart } from '../live-text.ts';
import { parseAnsi } from './ansi.ts';
import { tailExcerpt } from './excerpt.ts';
import { RowBody } from './row-body.tsx';
import { terminalLines } from './terminal-lines.ts';

/** Characters of a part that are looked at: what comes before them is not shown while it is written. */
const TAIL = 16_000;

/** The end of what a running command has printed. */
export function LiveOutput({ part, isUnfolded }: { part: LivePart; isUnfolded: boolean }) {
  return <LiveBody part={part} lines={isUnfolded ? 100 : 6} isMarkdown={false} />;
}

/** What the model is writing, or a subagent. */
export function LiveText({ part }: { part: LivePart }) {
  return (
    <div class={`log-row log-model log-live${part.child ? ' log-nested' : ''}`}>
      <span class="log-time">{part.child ? 'subagent' : 'now'}</span>
      <span class="log-mark" aria-hidden="true">
        ●
      </span>
      <div class="log-main">
        <LiveBody part={part} lines={part.child ? 6 : 120} isMarkdown={!part.child} />
      </div>
    </div>
  );
}

function LiveBody({ part, lines, isMarkdown }: { part: LivePart; lines: number; isMarkdown: boolean }) {
  const isCut = part.text.length > TAIL;
  const body = parseAnsi(terminalLines(isCut ? part.text.slice(-TAIL) : part.text));
  const range = tailExcerpt(body.plain, 8_000, lines);
  return (
    <>
      {(part.gap || isCut || range[0] > 0) && <div class="muted">…</div>}
      <RowBody body={body} range={range} isMarkdown={isMarkdown} canGrow={false} onMore={() => {}} />
    </>
  );
}
