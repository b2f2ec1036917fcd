import type { TaskStatus } from '../api/task.ts';
import { statusLabel } from './status-label.ts';

/** The state of a task, as a word and a colour. */
export function Status({ status }: { status: TaskStatus }) {
  return <span class={`status status-${status}`}>{statusLabel(status)}</span>;
}
