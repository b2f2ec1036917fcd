import { useMemo } from 'preact/hooks';
import type { TaskDetail } from '../../api/task.ts';
import { second } from '../../parts/clock.ts';
import { formatDuration } from '../../parts/duration.ts';
import { formatTimer } from '../../parts/timer.ts';
import { usedMs } from './used-time.ts';

/** The part of a limit from which it is marked. */
const NEAR = 0.9;

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
      {!task.ended_at && (
        <span class={used > NEAR * limit ? 'near-limit' : 'muted'}>
          {' '}
          of {formatDuration(limit).replace(/ 0 [ms]$/, '')}
        </span>
      )}
    </>
  );
}
