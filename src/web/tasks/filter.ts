import type { TaskRow, TaskStatus } from '../api/task.ts';
import { STATUS_ORDER } from './row.ts';

/** What the bridge takes as `text`. */
export const MAX_SEARCH = 200;

/** Which tasks the list shows; no statuses: all. */
export interface Filter {
  statuses: readonly TaskStatus[];
  /** Trimmed; part of the description. */
  text: string;
}

/** The filter in the query of the page; names that are no status are ignored. */
export function readFilter(query: URLSearchParams): Filter {
  const names = (query.get('status') ?? '').split(',');
  return {
    statuses: STATUS_ORDER.filter((status) => names.includes(status)),
    text: (query.get('q') ?? '').trim().slice(0, MAX_SEARCH),
  };
}

/** The query of the page for a filter; undefined removes a parameter. */
export function writeFilter({ statuses, text }: Filter): {
  status: string | undefined;
  q: string | undefined;
} {
  return { status: statuses.join(',') || undefined, q: text || undefined };
}

/** The same for GET /tasks. */
export function listQuery({ statuses, text }: Filter): Record<string, string> {
  return { ...(statuses.length > 0 && { status: statuses.join(',') }), ...(text !== '' && { text }) };
}

/** The filter with a status added, or removed if it was there. */
export function toggleStatus(filter: Filter, status: TaskStatus): Filter {
  const chosen = new Set(filter.statuses);
  if (!chosen.delete(status)) chosen.add(status);
  return { ...filter, statuses: STATUS_ORDER.filter((each) => chosen.has(each)) };
}

export function hasStatus({ statuses }: Filter, { status }: TaskRow): boolean {
  return statuses.length === 0 || statuses.includes(status);
}

/**
 * Whether the text of the filter is in the description. A row has the beginning of a long description only, so
 * `undefined` means that the bridge knows.
 */
export function hasText({ text }: Filter, { description }: TaskRow): boolean | undefined {
  if (description.toLowerCase().includes(text.toLowerCase())) return true;
  return isCut(description) ? undefined : false;
}

function isCut(description: string): boolean {
  return description.endsWith('…');
}
