import type { TaskStatus } from '../api/task.ts';

const LABELS: Record<TaskStatus, string> = {
  queued: 'Queued',
  running: 'Running',
  input_required: 'Asks you',
  paused: 'Paused',
  completed: 'Completed',
  failed: 'Failed',
  timeout: 'Timed out',
  cancelled: 'Cancelled',
};

/** The state of a task, as a word and a colour. */
export function Status({ status }: { status: TaskStatus }) {
  return <span class={`status status-${status}`}>{LABELS[status]}</span>;
}

export function statusLabel(status: TaskStatus): string {
  return LABELS[status];
}
