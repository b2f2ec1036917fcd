import type { EventLog } from '../store/event-log.ts';
import type { TaskEventBody } from '../tasks/events.ts';
import { isEnd } from '../tasks/task.ts';

/** Whether new tasks may start; those that run go on. */
export interface StartGate {
  /** Why none may start; undefined while they may. */
  readonly reason: string | undefined;
  /** Calls the listener whenever `reason` begins or ends. */
  onChange(listener: () => void): void;
}

export const OPEN_GATE: StartGate = { reason: undefined, onChange: () => {} };

/** Notifies a task that the gate is closed; nothing for one that has ended meanwhile. */
export function warnOfGate(log: EventLog, taskId: string, { reason }: StartGate): void {
  const task = log.get(taskId);
  if (reason === undefined || task === undefined || isEnd(task.status)) return;
  const what =
    task.status === 'queued'
      ? 'This task starts by itself once there is room.'
      : 'No other task starts; this one goes on, and may fail if the disk gets full.';
  const warning: TaskEventBody = { kind: 'warning', code: 'DISK_LOW', message: `${reason}. ${what}` };
  log.append(taskId, warning);
}
