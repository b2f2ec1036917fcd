import { Component, type ComponentChild } from 'preact';
import { exactTime } from '../../parts/exact-time.ts';
import { visible } from '../../parts/plain-text.ts';
import type { LivePart } from '../live-text.ts';
import type { Run, Style } from './ansi.ts';
import { LiveOutput } from './live-part.tsx';
import { RowBody } from './row-body.tsx';
import { bodyOf, headOf, outcomeOf } from './row-text.ts';
import type { LogRow, NoteRow, ToolRow } from './rows.ts';
import { type Range, rangesOf } from './search.ts';
import { Styled } from './styled-text.tsx';
import './row.css';

export interface RowProps {
  row: LogRow;
  isUnfolded: boolean;
  range: Range;
  isSelected: boolean;
  pattern: RegExp | undefined;
  /** The index of the current hit, if it is in this row. */
  hit: number | undefined;
  /** What the call is printing. */
  live: LivePart | undefined;
  actions: RowActions;
}

export interface RowActions {
  toggle(row: LogRow): void;
  showMore(row: LogRow, direction: 'earlier' | 'later'): void;
  copy(row: LogRow): void;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hourCycle: 'h23' });

const TONES: Record<NoteRow['tone'], { mark: string; name: string }> = {
  model: { mark: '●', name: 'Model' },
  message: { mark: '›', name: 'Message' },
  ask: { mark: '?', name: 'Request' },
  state: { mark: '·', name: 'State' },
  ok: { mark: '✓', name: 'Done' },
  warning: { mark: '!', name: 'Warning' },
  error: { mark: '✕', name: 'Error' },
};
const STATES: Record<ToolRow['state'], { mark: string; name: string }> = {
  running: { mark: '◌', name: 'Running' },
  ok: { mark: '✓', name: 'Succeeded' },
  failed: { mark: '✕', name: 'Failed' },
  lost: { mark: '–', name: 'Not finished' },
};

/** One row of the output. It is drawn again only if something of it has changed. */
export class RowView extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { row, isUnfolded, range, isSelected, pattern, hit, live } = this.props;
    return (
      row !== next.row ||
      isUnfolded !== next.isUnfolded ||
      range[0] !== next.range[0] ||
      range[1] !== next.range[1] ||
      isSelected !== next.isSelected ||
      pattern !== next.pattern ||
      hit !== next.hit ||
      live !== next.live
    );
  }

  override render({
    row,
    isUnfolded,
    range,
    isSelected,
    pattern,
    hit,
    live,
    actions,
  }: RowProps): ComponentChild {
    const head = headOf(row);
    const body = bodyOf(row);
    const headHits = pattern ? rangesOf(pattern, head) : [];
    const { mark, name } = row.type === 'tool' ? STATES[row.state] : TONES[row.tone];
    const tone = row.type === 'tool' ? `log-tool log-${row.state}` : `log-${row.tone}`;
    const label = (
      <Styled
        text={{ plain: head, runs: headRuns(row) }}
        range={[0, head.length]}
        hits={headHits}
        current={hit}
      />
    );
    return (
      <article
        class={`log-row ${tone}${row.parent === undefined ? '' : ' log-nested'}${isSelected ? ' log-selected' : ''}`}
        id={`row-${row.id}`}
        data-id={row.id}
        aria-label={visible(`${name} ${head}`.trim().slice(0, 200))}
      >
        <time class="log-time" dateTime={row.at} title={exactTime(row.at)}>
          {CLOCK.format(new Date(row.at))}
        </time>
        <span class="log-mark" aria-hidden="true">
          {mark}
        </span>
        <div class="log-main">
          {row.type === 'tool' ? (
            <button
              type="button"
              class="log-call"
              tabIndex={-1}
              aria-expanded={isUnfolded}
              onClick={() => actions.toggle(row)}
            >
              <span class="call-title">{label}</span>
              <span class="call-outcome">{outcomeOf(row) || (row.state === 'running' ? 'running' : '')}</span>
            </button>
          ) : (
            head !== '' && <div class="log-label">{label}</div>
          )}
          <RowBody
            body={body}
            range={range}
            isMarkdown={row.type === 'note' && row.tone === 'model'}
            hits={pattern && rangesOf(pattern, body.plain)}
            current={hit === undefined ? undefined : hit - headHits.length}
            canGrow={row.type === 'note' || isUnfolded}
            onMore={(direction) => actions.showMore(row, direction)}
          />
          {live && <LiveOutput part={live} isUnfolded={isUnfolded} />}
        </div>
        <button type="button" class="log-copy quiet" tabIndex={-1} onClick={() => actions.copy(row)}>
          Copy
        </button>
      </article>
    );
  }
}

const TOOL_NAME: Style = { bold: true, foreground: 4 };

/** The name of a tool stands out from what it was called with. */
function headRuns(row: LogRow): Run[] {
  return row.type === 'tool' ? [{ start: 0, end: row.tool.length, style: TOOL_NAME }] : [];
}
