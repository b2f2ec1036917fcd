import { useMemo, useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { TaskDetail } from '../../api/task.ts';
import { ProblemNote } from '../../parts/problem.tsx';
import type { TaskLog } from '../task-log.ts';
import { Action } from './action.ts';
import { CancelDialog } from './cancel-dialog.tsx';

/** Pause, resume and cancel. */
export function Controls({ log, task }: { log: TaskLog; task: TaskDetail }) {
  const [cancelling, setCancelling] = useState(false);
  const action = useMemo(() => new Action(), []);
  const { status } = task;
  const control = (name: 'pause' | 'resume'): void => {
    void action.run(async () => {
      await api.post(`/tasks/${log.taskId}/${name}`);
      await log.refresh();
      return '';
    });
  };
  const problem = action.problem.value;
  return (
    <div class="controls">
      <div class="controls-buttons">
        {status === 'paused' ? (
          <button type="button" aria-disabled={action.busy.value} onClick={() => control('resume')}>
            Resume
          </button>
        ) : (
          <button type="button" aria-disabled={action.busy.value} onClick={() => control('pause')}>
            Pause
          </button>
        )}
        <button type="button" class="danger" onClick={() => setCancelling(true)}>
          Cancel…
        </button>
      </div>
      {status === 'paused' && <p class="action-effect muted">Nothing runs, and the time stands still.</p>}
      {problem && <ProblemNote problem={problem} />}
      {cancelling && <CancelDialog log={log} onClose={() => setCancelling(false)} />}
    </div>
  );
}
