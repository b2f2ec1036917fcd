import { useRef } from 'preact/hooks';
import { hasEnded } from '../../api/task.ts';
import { useKeptFocus } from '../../parts/kept-focus.ts';
import type { TaskLog } from '../task-log.ts';
import { Controls } from './controls.tsx';
import { FollowUp } from './follow-up.tsx';
import { Message } from './message.tsx';
import './steering.css';

/** Messages to the task, pause, resume, cancel, and the follow-up of an ended one. */
export function Steering({ log }: { log: TaskLog }) {
  const task = log.task.value;
  const section = useRef<HTMLElement>(null);
  const ended = task !== undefined && hasEnded(task.status);
  const focusEvents = useKeptFocus(section, ended);
  if (!task || log.connection.value === 'gone') return null;
  return (
    <section class="steering" aria-label="Steering" tabIndex={-1} ref={section} {...focusEvents}>
      {ended ? (
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
