import { useId, useMemo, useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import { Dialog } from '../../parts/dialog.tsx';
import { ProblemNote } from '../../parts/problem.tsx';
import type { TaskLog } from '../task-log.ts';
import { Action } from './action.ts';

/** Ends the task, with a reason that its history keeps. */
export function CancelDialog({ log, onClose }: { log: TaskLog; onClose: () => void }) {
  const [reason, setReason] = useState('');
  const action = useMemo(() => new Action(), []);
  const id = useId();
  const cancel = async (): Promise<void> => {
    const done = await action.run(async () => {
      const given = reason.trim();
      await api.post(`/tasks/${log.taskId}/cancel`, given === '' ? {} : { reason: given });
      return '';
    });
    void log.refresh();
    if (done) onClose();
  };
  const problem = action.problem.value;
  return (
    <Dialog title="Cancel the task?" onClose={onClose} returnTo=".steering">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void cancel();
        }}
      >
        <p>Everything that it runs is ended. What it has written stays.</p>
        <label for={id}>Reason (optional)</label>
        <textarea
          id={id}
          rows={3}
          value={reason}
          onInput={({ currentTarget }) => setReason(currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void cancel();
          }}
        />
        {problem && <ProblemNote problem={problem} />}
        <div class="dialog-buttons">
          <button type="button" onClick={onClose}>
            Keep it running
          </button>
          <button type="submit" class="danger" aria-disabled={action.busy.value}>
            Cancel the task
          </button>
        </div>
      </form>
    </Dialog>
  );
}
