import { hasEnded, type TaskDetail } from '../api/task.ts';
import { href, taskPath } from '../links.ts';
import { visible } from '../parts/plain-text.ts';
import { Status } from '../parts/status.tsx';

const SHOWN = 300;

/** The task that is continued: the new one works in its session and its folder. */
export function Previous({ task, error }: { task: TaskDetail; error: string | undefined }) {
  const open = !hasEnded(task.status)
    ? 'This task has not ended. A follow-up starts when it has.'
    : undefined;
  const complaint = error ?? open;
  return (
    <div class="previous">
      <p>
        <Status status={task.status} />{' '}
        <a href={href(taskPath(task.task_id))}>{visible(task.description.slice(0, SHOWN))}</a>
      </p>
      <p class="muted">
        Continues in its session, in <code>{visible(task.directory)}</code>
      </p>
      {complaint && (
        <p class="field-error" role="alert">
          {visible(complaint)}
        </p>
      )}
    </div>
  );
}
