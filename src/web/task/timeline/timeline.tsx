import type { TaskLog } from '../task-log.ts';

/** Where the time of a task went. */
export function Timeline({ log }: { log: TaskLog }) {
  return <p>{log.taskId}</p>;
}
