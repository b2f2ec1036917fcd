import { useMemo } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { TaskDetail } from '../../api/task.ts';
import { Dialog } from '../../parts/dialog.tsx';
import { visible } from '../../parts/plain-text.ts';
import { ProblemNote } from '../../parts/problem.tsx';
import { navigate } from '../../router.ts';
import { Action } from './action.ts';

/** Removes a task that has ended, for good. */
export function DeleteDialog({ task, onClose }: { task: TaskDetail; onClose: () => void }) {
  const action = useMemo(() => new Action(), []);
  const remove = async (): Promise<void> => {
    const done = await action.run(async () => {
      await api.delete(`/tasks/${task.task_id}`);
      return '';
    });
    if (done) navigate('/', { replace: true });
  };
  const problem = action.problem.value;
  return (
    <Dialog title="Delete the task?" onClose={onClose} returnTo=".steering">
      <p>
        Its events, its snapshot of the files, and its folder go for good, if the bridge made the folder for
        it:
      </p>
      <p>
        <code>{visible(task.directory)}</code>
      </p>
      {problem && <ProblemNote problem={problem} />}
      <div class="dialog-buttons">
        <button type="button" onClick={onClose}>
          Keep it
        </button>
        <button type="button" class="danger" aria-disabled={action.busy.value} onClick={() => void remove()}>
          Delete
        </button>
      </div>
    </Dialog>
  );
}
