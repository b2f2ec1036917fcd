import type { z } from 'zod';
import type { RequestView, taskStateSchema } from '../../api/task-view.ts';
import type { taskSchema } from '../../http/tasks/task.ts';
import type { viewEvent } from '../../tasks/view-event.ts';

/** GET /tasks/{task_id}. */
export type TaskDetail = z.output<typeof taskSchema>;
/** A row of GET /tasks and of GET /events. */
export type TaskRow = z.output<typeof taskStateSchema>;
export type TaskStatus = TaskRow['status'];
/** A stored event; `seq` counts from 1, times are ISO 8601. */
export type TaskEvent = ReturnType<typeof viewEvent>;
export type TaskEventKind = TaskEvent['kind'];
export type EventOf<K extends TaskEventKind> = Extract<TaskEvent, { kind: K }>;
/** An open permission or question. */
export type InputRequest = RequestView;

/** Statuses that are final. */
const ENDS: ReadonlySet<TaskStatus> = new Set(['completed', 'failed', 'timeout', 'cancelled']);

export function hasEnded(status: TaskStatus): boolean {
  return ENDS.has(status);
}
