import type { TaskLog } from '../task-log.ts';

/** Messages to the task, pause, resume, cancel, and the follow-up of an ended one. */
export function Steering({ log }: { log: TaskLog }) {
  return <p>{log.taskId}</p>;
}
