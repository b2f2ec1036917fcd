import type { TaskLog } from '../task-log.ts';

/** The todo list of the agent. */
export function Steps({ log }: { log: TaskLog }) {
  return <p>{log.task.value?.progress}</p>;
}
