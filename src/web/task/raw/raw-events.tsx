import type { TaskLog } from '../task-log.ts';

/** The events of a task as the API shows them. */
export function RawEvents({ log }: { log: TaskLog }) {
  return <p>{log.version.value && log.events.length}</p>;
}
