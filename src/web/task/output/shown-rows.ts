import { RowHeights } from '../../parts/row-heights.ts';
import { accepts, type Filter } from './filter.ts';
import { estimateHeight } from './row-excerpts.ts';
import type { LogRow } from './rows.ts';

/** Which of the rows are shown: those that the filter takes, but for what a folded subagent did. */
export class ShownRows {
  readonly heights: RowHeights;
  readonly #rows: ReadonlyMap<number, LogRow>;
  readonly #foldedCalls = new Set<string>();
  #filter: Filter;

  constructor(rows: ReadonlyMap<number, LogRow>, filter: Filter) {
    this.#rows = rows;
    this.#filter = filter;
    this.heights = new RowHeights((id) => estimateHeight(rows.get(id)));
  }

  get filter(): Filter {
    return this.#filter;
  }

  /** After a row was appended or replaced: whether it is shown. */
  update(row: LogRow): boolean {
    const isShown = this.#accepts(row);
    if (isShown) this.heights.add(row.id);
    else this.heights.remove(row.id);
    return isShown;
  }

  setFilter(filter: Filter): void {
    this.#filter = filter;
    this.#select();
  }

  /** Hides or shows what the subagent of a call did. */
  foldCall(callId: string, isFolded: boolean): void {
    if (isFolded) this.#foldedCalls.add(callId);
    else this.#foldedCalls.delete(callId);
    this.#select();
  }

  /** The rows, in order. */
  *[Symbol.iterator](): Generator<LogRow, void, void> {
    for (const id of this.heights.ids) {
      const row = this.#rows.get(id);
      if (row) yield row;
    }
  }

  #select(): void {
    const ids: number[] = [];
    for (const row of this.#rows.values()) if (this.#accepts(row)) ids.push(row.id);
    this.heights.replace(ids);
  }

  #accepts(row: LogRow): boolean {
    const isFolded = row.parent !== undefined && this.#foldedCalls.has(row.parent);
    return !isFolded && accepts(this.#filter, row);
  }
}
