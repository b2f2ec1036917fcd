import { isRecord } from '../api/problem.ts';
import { hasEnded, type TaskDetail } from '../api/task.ts';
import { firstLine } from '../parts/first-line.ts';
import { statusLabel } from '../parts/status-label.ts';

/** A task of which a person wants to hear, and what is already known of it. */
export interface Watched {
  id: string;
  /** The requests that were open when it was last looked at. */
  asked: readonly string[];
}

/** What a notification says. */
export interface News {
  title: string;
  body: string;
}

type Task = Pick<TaskDetail, 'task_id' | 'status' | 'requests' | 'description' | 'result' | 'error'>;

/** Begins to watch a task: what it asks already is known. */
export function watch(task: Pick<Task, 'task_id' | 'requests'>): Watched {
  return { id: task.task_id, asked: task.requests.map(({ id }) => id) };
}

/** What is new since it was last looked at, and what is known then; undefined: it has ended, nothing more comes. */
export function newsOf(watched: Watched, task: Task): { news?: News; next: Watched | undefined } {
  const what = firstLine(task.description, 100);
  if (hasEnded(task.status)) {
    const body = firstLine(task.error?.message ?? task.result?.summary ?? '', 200);
    return { news: { title: `${statusLabel(task.status)}: ${what}`, body }, next: undefined };
  }
  const request = task.requests.findLast(({ id }) => !watched.asked.includes(id));
  const next = watch(task);
  if (!request) return { next };
  return { news: { title: `Asks you: ${what}`, body: firstLine(request.title, 200) }, next };
}

/** Reads what another version of the page may have stored; undefined if it is nothing of the kind. */
export function parseWatched(text: string | null): Watched[] {
  const stored = text === null ? [] : jsonOf(text);
  if (!Array.isArray(stored)) return [];
  return stored.flatMap((entry: unknown) => {
    if (!isRecord(entry) || typeof entry.id !== 'string' || !Array.isArray(entry.asked)) return [];
    return [{ id: entry.id, asked: entry.asked.filter((id) => typeof id === 'string') }];
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
