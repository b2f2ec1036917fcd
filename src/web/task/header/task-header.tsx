import { useEffect } from 'preact/hooks';
import { NotifyButton } from '../../notify/notify-button.tsx';
import { visible } from '../../parts/plain-text.ts';
import { Status } from '../../parts/status.tsx';
import { showState } from '../../title.ts';
import type { TaskLog } from '../task-log.ts';
import { Announcer } from './announcer.tsx';
import { Description } from './description.tsx';
import { Facts } from './facts.tsx';
import { Outcome } from './outcome.tsx';
import { RunTime } from './run-time.tsx';
import { windowTitle } from './window-title.ts';
import './task-header.css';

/** State, time, progress, cost and owner of a task, and how it ended. */
export function TaskHeader({ log }: { log: TaskLog }) {
  const task = log.task.value;
  const title = task && windowTitle(task);
  const status = task?.status;
  useEffect(() => {
    if (title !== undefined) showState(title, status);
    return () => showState('');
  }, [title, status]);
  if (!task) return null;
  const { progress, queue_position } = task;
  return (
    <header class="task-header">
      <div class="task-headline">
        <Status status={task.status} />
        {queue_position !== undefined && <span class="muted">{`${queue_position}. in the queue`}</span>}
        {task.started_at && (
          <span class="task-run-time">
            <RunTime task={task} />
          </span>
        )}
        {progress !== undefined && (
          <span class="task-percent">
            <progress max={100} value={progress} aria-label="Steps done" />
            <span class="number muted">{progress} %</span>
          </span>
        )}
        <NotifyButton task={task} />
      </div>
      <Description text={visible(task.description)} />
      <Facts task={task} />
      <Outcome task={task} />
      <Announcer task={task} />
    </header>
  );
}
