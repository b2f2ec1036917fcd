import { signal } from '@preact/signals';
import type { TaskLog } from '../task-log.ts';
import { around } from './excerpt.ts';
import type { Filter } from './filter.ts';
import { Projector } from './projector.ts';
import { isSubagent, RowExcerpts } from './row-excerpts.ts';
import { bodyOf, headOf } from './row-text.ts';
import type { LogRow } from './rows.ts';
import { type Hit, patternOf, rangesOf, Search } from './search.ts';
import { ShownRows } from './shown-rows.ts';

/** Events that become rows at once; the others wait for the next turn of the event loop. */
const EVENTS_AT_ONCE = 2_000;
/** Milliseconds of searching at once. */
const SEARCH_MS = 8;

/** The output of a task as it is shown: its rows, and what somebody did to see them otherwise. */
export class OutputLog {
  /** Rises when something has to be drawn again. */
  readonly version = signal(0);
  /** Whether the end stays in view. */
  readonly following = signal(true);
  /** Rows that came since it does not. */
  readonly unseen = signal(0);
  readonly selected = signal<number | undefined>(undefined);
  readonly hit = signal<Hit | undefined>(undefined);
  readonly excerpts = new RowExcerpts();
  readonly shown: ShownRows;
  search: Search | undefined;
  readonly #log: TaskLog;
  readonly #projector = new Projector();
  readonly #toSearch = new Set<number>();
  /** Called with each row that is appended or replaced. */
  readonly #onRow: (row: LogRow) => void;
  #seq = 0;
  #scheduled = false;

  constructor(log: TaskLog, filter: Filter, onRow: (row: LogRow) => void = () => {}) {
    this.#log = log;
    this.#onRow = onRow;
    this.shown = new ShownRows(this.#projector.rows, filter);
  }

  /** Whether something has been left for later. */
  get isBehind(): boolean {
    return this.#scheduled;
  }

  get hasSubagents(): boolean {
    return this.#projector.hasSubagents;
  }

  row(id: number): LogRow | undefined {
    return this.#projector.rows.get(id);
  }

  /** Takes the events that are new in the log. */
  update(): void {
    let left = EVENTS_AT_ONCE;
    for (const event of this.#log.since(this.#seq)) {
      if (left === 0) break;
      left -= 1;
      this.#seq = event.seq;
      for (const id of this.#projector.add(event)) this.#touch(id);
    }
    this.#dropOldest();
    this.#searchOn();
    if (this.#seq < this.#log.lastSeq || this.#toSearch.size > 0) this.#continueLater();
    this.version.value = this.version.peek() + 1;
  }

  setFilter(filter: Filter): void {
    this.shown.setFilter(filter);
    this.#restartSearch(this.search?.text ?? '');
  }

  /** Searches for a text from here on; the empty text ends it. */
  find(text: string): void {
    this.hit.value = undefined;
    this.#restartSearch(text);
  }

  /** Goes to the next or previous hit, from the current one or from a row; answers with its row. */
  goToHit(step: 1 | -1, from: number): LogRow | undefined {
    const hit = this.search?.next(this.hit.peek() ?? { id: from }, step);
    const row = hit && this.row(hit.id);
    if (!hit || !row || !this.search) return undefined;
    this.hit.value = hit;
    this.selected.value = hit.id;
    const inHead = rangesOf(this.search.pattern, headOf(row)).length;
    const { plain } = bodyOf(row);
    const range = rangesOf(this.search.pattern, plain)[hit.index - inHead];
    if (range) {
      if (row.type === 'tool' && !this.excerpts.isUnfolded(row)) this.toggle(row);
      this.excerpts.set(row, around(plain, this.excerpts.rangeOf(row), range));
    }
    this.version.value = this.version.peek() + 1;
    return row;
  }

  /** Folds or unfolds a call; of other rows shows more. */
  toggle(row: LogRow): void {
    if (row.type === 'note') this.excerpts.showMore(row, 'later');
    else {
      this.excerpts.toggle(row);
      if (isSubagent(row)) {
        this.shown.foldCall(row.callId, !this.excerpts.isUnfolded(row));
        this.#restartSearch(this.search?.text ?? '');
      }
    }
    this.version.value = this.version.peek() + 1;
  }

  showMore(row: LogRow, direction: 'earlier' | 'later'): void {
    this.excerpts.showMore(row, direction);
    this.version.value = this.version.peek() + 1;
  }

  /** Searches all rows that are shown; the empty text ends the search. */
  #restartSearch(text: string): void {
    const pattern = patternOf(text);
    this.search = pattern && new Search(text, pattern);
    this.#toSearch.clear();
    if (pattern) for (const id of this.shown.heights.ids) this.#toSearch.add(id);
    this.update();
  }

  #touch(id: number): void {
    const row = this.row(id);
    if (!row) return;
    const isNew = !this.shown.heights.has(id);
    const isShown = this.shown.update(row);
    if (isShown && isNew && !this.following.peek()) this.unseen.value = this.unseen.peek() + 1;
    if (isShown && this.search) this.#toSearch.add(id);
    else this.search?.forget(id);
    this.#onRow(row);
  }

  #dropOldest(): void {
    const first = this.#log.events[0]?.seq ?? 0;
    const [oldest] = this.#projector.rows.keys();
    if (oldest === undefined || oldest >= first) return;
    for (const id of this.#projector.rows.keys()) {
      if (id >= first) break;
      this.search?.forget(id);
      this.#toSearch.delete(id);
    }
    this.#projector.dropBefore(first);
    this.shown.heights.dropBefore(first);
    this.excerpts.dropBefore(first);
  }

  #searchOn(): void {
    if (!this.search) return;
    const end = performance.now() + SEARCH_MS;
    for (const id of this.#toSearch) {
      if (performance.now() > end) return;
      this.#toSearch.delete(id);
      const row = this.row(id);
      if (row) this.search.scan(row);
    }
  }

  #continueLater(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => {
      this.#scheduled = false;
      this.update();
    });
  }
}
