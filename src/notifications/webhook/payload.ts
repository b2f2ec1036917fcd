import { oneLine } from '../../tasks/describe-event.ts';
import type { TaskEvent, TaskEventKind } from '../../tasks/events.ts';
import { END_STATUSES, type Task } from '../../tasks/task.ts';
import { iso, viewEvent } from '../../tasks/view-event.ts';

/** The kinds of events that are sent: those that change what a receiver would show or do, without progress. */
export const SENT_KINDS: ReadonlySet<TaskEventKind> = new Set<TaskEventKind>([
  'created',
  'started',
  'request_opened',
  'request_closed',
  'paused',
  'resumed',
  'warning',
  ...END_STATUSES,
]);

/** The JSON body for an event. `task` is the task as it is now, which may be ahead of the event. */
export function payload(task: Task, event: TaskEvent): string {
  return JSON.stringify({
    type: `task.${event.kind}`,
    timestamp: iso(event.at),
    data: {
      task_id: task.id,
      agent_id: task.agentId,
      seq: event.seq,
      event: viewEvent(event),
      task: viewTask(task),
    },
  });
}

function viewTask({ status, description, progress, usage, createdAt, startedAt, endedAt, lastSeq }: Task) {
  return {
    status,
    description: oneLine(description, 120),
    progress,
    usage,
    created_at: iso(createdAt),
    started_at: iso(startedAt),
    ended_at: iso(endedAt),
    last_seq: lastSeq,
  };
}
