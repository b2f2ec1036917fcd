import type { TaskDetail, TaskStatus } from '../../api/task.ts';

/** The time of a task runs in these; a question does not stop it, a pause does. */
const RUNS: ReadonlySet<TaskStatus> = new Set(['running', 'input_required']);

/**
 * Milliseconds that count against the limit of a task, at `now`, from an answer that came at `readAt`. Both are times
 * of the same clock, whatever it shows.
 */
export function usedMs(
  { used_ms, status }: Pick<TaskDetail, 'used_ms' | 'status'>,
  readAt: number,
  now: number,
): number {
  return RUNS.has(status) ? used_ms + Math.max(0, now - readAt) : used_ms;
}
