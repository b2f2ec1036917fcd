import { signal } from '@preact/signals';
import { api, Problem } from '../api/client.ts';
import type { TaskRow } from '../api/task.ts';
import { type Filter, hasStatus, hasText, listQuery } from './filter.ts';
import { STATUS_ORDER } from './row.ts';

const PAGE = 100;

interface Page {
  tasks: TaskRow[];
  next_cursor?: string;
  events_cursor: string;
}

/**
 * What one filter found in the bridge, page by page. Rows that came by the stream, or that another filter found, belong
 * to it as well, as far back as its pages go.
 */
export class Listing {
  readonly filter: Filter;
  readonly loading = signal(false);
  readonly problem = signal<Problem | undefined>(undefined);
  /** Rises with each page. */
  readonly pages = signal(0);
  /** The cursor of the next page; undefined if there is none. */
  #next: string | undefined;
  /** `created_at` of the oldest row of its pages; undefined if they are complete. */
  #oldest: string | undefined;
  /** Rows that the bridge said contain the text. */
  readonly #found = new Set<string>();
  readonly #asked = new Set<string>();

  constructor(filter: Filter) {
    this.filter = filter;
  }

  get hasMore(): boolean {
    return this.pages.value > 0 && this.#next !== undefined;
  }

  get isComplete(): boolean {
    return this.pages.value > 0 && this.#next === undefined;
  }

  /** Whether a row belongs to what is loaded. */
  includes(row: TaskRow): boolean {
    if (!hasStatus(this.filter, row)) return false;
    if (!this.#found.has(row.task_id) && hasText(this.filter, row) !== true) return false;
    const open = row.ended_at === undefined;
    return open || this.#oldest === undefined || row.created_at >= this.#oldest;
  }

  /** Whether the bridge has to be asked if a row has the text; once for each row. */
  mustAsk(row: TaskRow): boolean {
    const { task_id } = row;
    if (this.#found.has(task_id) || this.#asked.has(task_id)) return false;
    if (hasText(this.filter, row) !== undefined) return false;
    this.#asked.add(task_id);
    return true;
  }

  /** Reads the next page, or the first one again. Never throws: a Problem is kept in `problem`. */
  async load(from: 'first' | 'next', signal: AbortSignal): Promise<Page | undefined> {
    const cursor = from === 'next' ? this.#next : undefined;
    this.loading.value = true;
    try {
      const query = { ...listQuery(this.filter), limit: PAGE, ...(cursor !== undefined && { cursor }) };
      const page = await api.get<Page>('/tasks', query, signal);
      for (const { task_id } of page.tasks) this.#found.add(task_id);
      // The first page again adds what is new to the pages that are there.
      if (from === 'next' || this.pages.value === 0) {
        this.#next = page.next_cursor;
        this.#oldest = this.#next === undefined ? undefined : page.tasks.at(-1)?.created_at;
      }
      this.problem.value = undefined;
      this.pages.value += 1;
      return page;
    } catch (thrown) {
      if (signal.aborted) return undefined;
      if (!(thrown instanceof Problem)) throw thrown;
      this.problem.value = thrown;
      return undefined;
    } finally {
      this.loading.value = false;
    }
  }
}

/** All tasks that have not ended, whenever they were created. */
export async function loadOpenRows(signal: AbortSignal): Promise<TaskRow[]> {
  const status = STATUS_ORDER.slice(0, 4).join(',');
  const rows: TaskRow[] = [];
  let cursor: string | undefined;
  do {
    const query = { status, limit: PAGE, ...(cursor !== undefined && { cursor }) };
    const page: Page = await api.get<Page>('/tasks', query, signal);
    rows.push(...page.tasks);
    cursor = page.next_cursor;
  } while (cursor !== undefined);
  return rows;
}
