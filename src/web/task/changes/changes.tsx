import type { TaskLog } from '../task-log.ts';

/** What a task changed: files, diff and contents. */
export function Changes({ log }: { log: TaskLog }) {
  return <p>{log.taskId}</p>;
}
