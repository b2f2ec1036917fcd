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

/** A status in words. */
export function statusLabel(status: TaskStatus): string {
  return LABELS[status];
}
