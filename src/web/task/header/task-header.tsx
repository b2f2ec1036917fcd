import type { TaskLog } from '../task-log.ts';

/** State, time, progress, cost and owner of a task. */
export function TaskHeader({ log }: { log: TaskLog }) {
  return <p>{log.task.value?.status}</p>;
}
