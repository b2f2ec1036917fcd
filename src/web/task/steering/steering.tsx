import { hasEnded } from '../../api/task.ts';
import type { TaskLog } from '../task-log.ts';
import { Controls } from './controls.tsx';
import { FollowUp } from './follow-up.tsx';
import { Message } from './message.tsx';
import './steering.css';

/** Messages to the task, pause, resume, cancel, and the follow-up of an ended one. */
export function Steering({ log }: { log: TaskLog }) {
  const task = log.task.value;
  if (!task || log.connection.value === 'gone') return null;
  return (
    <section class="steering" aria-label="Steering" tabIndex={-1}>
      {hasEnded(task.status) ? (
        <FollowUp task={task} />
      ) : (
        <>
          <Message log={log} task={task} />
          <Controls log={log} task={task} />
        </>
      )}
    </section>
  );
}
