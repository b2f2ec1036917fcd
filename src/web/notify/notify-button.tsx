import { useEffect, useState } from 'preact/hooks';
import { hasEnded, type TaskDetail } from '../api/task.ts';
import { showAsSeen } from './election.ts';
import { canNotify, mayNotify } from './notifier.ts';
import { put, remove, watchList } from './watch-list.ts';
import { watch } from './watched.ts';

/** Switches on notifications of a task, for when it asks or ends and nobody looks at it. */
export function NotifyButton({ task }: { task: TaskDetail }) {
  const [refused, setRefused] = useState(false);
  const watching = watchList.value.some(({ id }) => id === task.task_id);
  const ended = hasEnded(task.status);
  useSeen(task.task_id, watching);
  if (!canNotify() || ended) return null;
  const onClick = async (): Promise<void> => {
    if (watching) return remove(task.task_id);
    const permitted = await mayNotify();
    setRefused(!permitted);
    if (permitted) put(watch(task));
  };
  return (
    <>
      <button
        type="button"
        class="quiet"
        aria-pressed={watching}
        title="A notification of the browser when the task asks or ends and no window shows it"
        onClick={() => void onClick()}
      >
        {watching ? 'Notifies you' : 'Notify me'}
      </button>
      {refused && (
        <span class="muted" role="status">
          The browser refuses notifications of this page; its settings for the site allow them.
        </span>
      )}
    </>
  );
}

/** Tells the other tabs while a person looks at the task here. */
function useSeen(taskId: string, watching: boolean): void {
  useEffect(() => {
    if (!watching || !canNotify()) return;
    let stop: AbortController | undefined;
    const update = (): void => {
      const looks = document.visibilityState === 'visible' && document.hasFocus();
      if (looks === (stop !== undefined)) return;
      stop?.abort();
      stop = looks ? new AbortController() : undefined;
      if (stop) void showAsSeen(navigator.locks, taskId, stop.signal);
    };
    update();
    const events = ['focus', 'blur'] as const;
    for (const event of events) addEventListener(event, update);
    document.addEventListener('visibilitychange', update);
    return () => {
      stop?.abort();
      for (const event of events) removeEventListener(event, update);
      document.removeEventListener('visibilitychange', update);
    };
  }, [taskId, watching]);
}
