import { earlier, headExcerpt, later, tailExcerpt } from './excerpt.ts';
import { bodyOf } from './row-text.ts';
import type { LogRow, ToolRow } from './rows.ts';
import type { Range } from './search.ts';

const NOTHING: Range = [0, 0];
const LINE_HEIGHT = 20;
const CHARACTERS_A_LINE = 110;
/** Tools whose output is what people want to see; of the others the title says enough. */
const COMMANDS: ReadonlySet<string> = new Set(['bash', 'shell']);

/** What is unfolded, and how much is shown of texts that are cut. Of rows that somebody touched, so few. */
export class RowExcerpts {
  /** Calls that are not as they were at first. */
  readonly #toggled = new Set<number>();
  readonly #ranges = new Map<number, Range>();

  isUnfolded(row: ToolRow): boolean {
    return isSubagent(row) !== this.#toggled.has(row.id);
  }

  toggle(row: ToolRow): void {
    if (!this.#toggled.delete(row.id)) this.#toggled.add(row.id);
    this.#ranges.delete(row.id);
  }

  /** The part of the body that is shown. */
  rangeOf(row: LogRow): Range {
    return this.#ranges.get(row.id) ?? this.#initial(row);
  }

  set(row: LogRow, range: Range): void {
    this.#ranges.set(row.id, range);
  }

  showMore(row: LogRow, direction: 'earlier' | 'later'): void {
    const { plain } = bodyOf(row);
    const range = this.rangeOf(row);
    this.set(row, direction === 'later' ? later(plain, range) : earlier(plain, range));
  }

  dropBefore(id: number): void {
    for (const known of this.#toggled) if (known < id) this.#toggled.delete(known);
    for (const known of this.#ranges.keys()) if (known < id) this.#ranges.delete(known);
  }

  #initial(row: LogRow): Range {
    return row.type === 'tool' && !this.isUnfolded(row) ? folded(row) : unfolded(row);
  }
}

export function isSubagent({ tool }: ToolRow): boolean {
  return tool === 'task';
}

function folded(row: ToolRow): Range {
  if (!COMMANDS.has(row.tool) && row.state !== 'failed') return NOTHING;
  return tailExcerpt(bodyOf(row).plain, 500, 3);
}

function unfolded(row: LogRow): Range {
  const { plain } = bodyOf(row);
  if (row.type === 'note' && row.tone === 'message') return headExcerpt(plain, 2_000, 12);
  return headExcerpt(plain, 6_000, 120);
}

/** The height of a row that was never shown: only so good that the scrollbar does not jump much. */
export function estimateHeight(row: LogRow | undefined): number {
  if (!row) return LINE_HEIGHT;
  if (row.type === 'tool') return LINE_HEIGHT * (COMMANDS.has(row.tool) && row.text !== '' ? 3 : 1) + 4;
  const shown = row.text.slice(0, 6_000);
  const lines = Math.min(120, shown.split('\n').length + Math.floor(shown.length / CHARACTERS_A_LINE));
  return (row.label === '' ? 0 : LINE_HEIGHT) + (shown === '' ? 0 : lines * LINE_HEIGHT) + 4;
}
