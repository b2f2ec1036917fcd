import type { TaskLog } from '../task-log.ts';

/** What happens in a task, as in a terminal. */
export function Output({ log }: { log: TaskLog }) {
  return <p>{log.version.value && log.events.length} events</p>;
}
