import type { TaskRow, TaskStatus } from '../api/task.ts';

/** Statuses in the order of the list: who waits for a person comes first. */
export const STATUS_ORDER = [
  'input_required',
  'running',
  'paused',
  'queued',
  'completed',
  'failed',
  'timeout',
  'cancelled',
] as const satisfies readonly TaskStatus[];

/** All ends are one group. */
const GROUP: Record<TaskStatus, number> = {
  input_required: 0,
  running: 1,
  paused: 2,
  queued: 3,
  completed: 4,
  failed: 4,
  timeout: 4,
  cancelled: 4,
};

/** The order of the list: by group, newest first in each; ended tasks by their end. Times are ISO 8601 in UTC. */
export function compareRows(a: TaskRow, b: TaskRow): number {
  return (
    GROUP[a.status] - GROUP[b.status] ||
    compareText(b.ended_at ?? b.created_at, a.ended_at ?? a.created_at) ||
    compareText(b.task_id, a.task_id)
  );
}

/** Whether the list has to be sorted and filtered again after a change of a row. */
export function movesRow(before: TaskRow, after: TaskRow): boolean {
  return before.status !== after.status || before.ended_at !== after.ended_at;
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
