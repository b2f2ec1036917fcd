import { useMemo } from 'preact/hooks';
import type { TaskDetail } from '../../api/task.ts';
import { second } from '../../parts/clock.ts';
import { formatDuration } from '../../parts/duration.ts';
import { formatTimer } from '../../parts/timer.ts';
import { usedMs } from './used-time.ts';

/** How long the task has run, without its pauses, and how long it may. */
export function RunTime({ task }: { task: TaskDetail }) {
  const readAt = useMemo(() => Date.now(), [task]);
  second.value;
  const used = usedMs(task, readAt, Date.now());
  const limit = task.limits.timeout_ms;
  return (
    <>
      <span role="timer" class="number">
        {formatTimer(used)}
      </span>
      <span class={used > 0.9 * limit && !task.ended_at ? 'near-limit' : 'muted'}>
        {' '}
        of {formatDuration(limit)}
      </span>
    </>
  );
}
