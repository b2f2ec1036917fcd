import { api, Problem } from '../api/client.ts';
import { eventStream } from '../api/event-stream.ts';
import { Backoff } from '../api/reconnect.ts';
import { hasEnded, type TaskDetail, type TaskRow } from '../api/task.ts';
import { put, remove, watchList } from './watch-list.ts';
import { type News, newsOf } from './watched.ts';

type Notify = (taskId: string, news: News) => Promise<void>;

/**
 * Looks at each watched task once, then at those whose state changes, until `signal` aborts. `notify` gets what is new.
 * The cursor is read before the tasks, so that no change falls between.
 */
export async function followWatched(signal: AbortSignal, notify: Notify): Promise<void> {
  const backoff = new Backoff();
  const looked = new Set<string>();
  let cursor: string | undefined;
  // It may have changed before it was watched.
  const stop = watchList.subscribe((list) => {
    const added = cursor === undefined ? undefined : list.find(({ id }) => !looked.has(id));
    if (added) void look(added.id, signal, notify).catch(() => {});
    for (const { id } of list) looked.add(id);
  });
  signal.addEventListener('abort', stop);
  while (!signal.aborted) {
    try {
      if (cursor === undefined) {
        const first = await api.get<{ events_cursor: string }>('/tasks', { limit: 1 }, signal);
        for (const { id } of watchList.peek()) await look(id, signal, notify);
        cursor = first.events_cursor;
      }
      const options = { lastEventId: cursor, signal, opened: () => backoff.reset() };
      for await (const { id, data } of eventStream('/events', options)) {
        await take(JSON.parse(data), signal, notify);
        // Last, so that what was not reported is read again.
        if (id) cursor = id;
      }
    } catch (thrown) {
      if (signal.aborted) return;
      if (!(thrown instanceof Problem)) throw thrown;
      // The cursor is none of this bridge.
      if (thrown.status === 400) cursor = undefined;
    }
    await backoff.wait(signal);
  }
}

async function take(
  { tasks, removed = [] }: { tasks: TaskRow[]; removed?: string[] },
  signal: AbortSignal,
  notify: Notify,
): Promise<void> {
  for (const { task_id, status } of tasks) {
    if (status === 'input_required' || hasEnded(status)) await look(task_id, signal, notify);
  }
  const isWatched = (id: string): boolean => watchList.peek().some((watched) => watched.id === id);
  for (const id of removed) if (isWatched(id)) remove(id);
}

/** Reports what is new of a task, if it is watched, and notes what is known of it then. */
async function look(id: string, signal: AbortSignal, notify: Notify): Promise<void> {
  const known = watchList.peek().find((watched) => watched.id === id);
  if (!known) return;
  try {
    const { news, next } = newsOf(known, await api.get<TaskDetail>(`/tasks/${id}`, {}, signal));
    if (next) put(next);
    else remove(id);
    if (news) await notify(id, news);
  } catch (thrown) {
    if (!(thrown instanceof Problem) || thrown.status !== 404) throw thrown;
    remove(id);
  }
}
