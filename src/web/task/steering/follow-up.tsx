import { useId, useMemo, useRef, useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { TaskDetail } from '../../api/task.ts';
import { href, taskPath } from '../../links.ts';
import { Key } from '../../parts/key.tsx';
import { navigate } from '../../router.ts';
import { Action } from './action.ts';
import { ActionNote } from './action-note.tsx';
import { DeleteDialog } from './delete-dialog.tsx';

/** Goes on with a task that has ended: a new one in its session and directory. */
export function FollowUp({ task }: { task: TaskDetail }) {
  const [text, setText] = useState('');
  const [deleting, setDeleting] = useState(false);
  const action = useMemo(() => new Action(), []);
  // The same text sent again, because no answer came, makes no second task.
  const sent = useRef({ text: '', key: '' });
  const id = useId();
  const send = (): void => {
    if (text.trim() === '') return;
    if (sent.current.text !== text) sent.current = { text, key: randomKey() };
    const body = {
      task_description: text,
      continue_task_id: task.task_id,
      idempotency_key: sent.current.key,
    };
    void action.run(async () => {
      const { task_id } = await api.post<{ task_id: string }>('/tasks/execute', body, {
        agent_id: task.agent_id,
      });
      navigate(taskPath(task_id));
      return '';
    });
  };
  const off = text.trim() === '' || action.busy.value;
  return (
    <>
      {task.session_id !== undefined && (
        <form
          class="message"
          onSubmit={(event) => {
            event.preventDefault();
            send();
          }}
        >
          <label class="visually-hidden" for={id}>
            Follow-up
          </label>
          <textarea
            id={id}
            rows={Math.min(8, Math.max(2, text.split('\n').length))}
            placeholder="Follow-up: a new task in the same session and directory"
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
              event.preventDefault();
              send();
            }}
          />
          <div class="message-buttons">
            <button type="submit" class="primary" aria-disabled={off}>
              Continue <Key name="Enter" />
            </button>
            <a class="button" href={href(`/new?continue=${task.task_id}`)}>
              With options
            </a>
          </div>
          <ActionNote action={action} />
        </form>
      )}
      <div class="controls">
        <div class="controls-buttons">
          <button type="button" class="danger" onClick={() => setDeleting(true)}>
            Delete…
          </button>
        </div>
      </div>
      {deleting && <DeleteDialog task={task} onClose={() => setDeleting(false)} />}
    </>
  );
}

/** `crypto.randomUUID` is there over https and on this machine only. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}
