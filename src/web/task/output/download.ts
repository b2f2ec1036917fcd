import { api } from '../../api/client.ts';
import type { TaskEvent } from '../../api/task.ts';
import { JsonLines, TextLines } from './event-writers.ts';

const PAGE = 1_000;

export type Format = 'text' | 'jsonl';

/** A page of GET /tasks/{task_id}/events. */
interface EventsPage {
  events: TaskEvent[];
  last_seq: number;
  next_after_seq?: number;
}

/**
 * All events of a task as a file, read from the bridge by pages: also those that this page has not loaded.
 * `onProgress` gets how many of how many there are. Throws a Problem.
 */
export async function fileOfEvents(
  taskId: string,
  format: Format,
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<Blob> {
  const writer = format === 'text' ? new TextLines() : new JsonLines();
  const pages: Blob[] = [];
  let after: number | undefined = 0;
  while (after !== undefined) {
    const page: EventsPage = await api.get(
      `/tasks/${encodeURIComponent(taskId)}/events`,
      { after_seq: after, limit: PAGE },
      signal,
    );
    pages.push(new Blob([writer.write(page.events)]));
    onProgress(page.events.at(-1)?.seq ?? after, page.last_seq);
    after = page.next_after_seq;
  }
  pages.push(new Blob([writer.end()]));
  return new Blob(pages);
}
