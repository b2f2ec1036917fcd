import type { TaskLog } from '../task-log.ts';

/** The open permissions and questions of a task. */
export function Requests({ log }: { log: TaskLog }) {
  return <p>{log.task.value?.requests.length} open</p>;
}
