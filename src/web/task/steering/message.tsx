import { useEffect, useId, useMemo, useState } from 'preact/hooks';
import { api, Problem } from '../../api/client.ts';
import type { TaskDetail } from '../../api/task.ts';
import { Key } from '../../parts/key.tsx';
import type { TaskLog } from '../task-log.ts';
import { Action } from './action.ts';
import { ActionNote } from './action-note.tsx';
import { type Delivery, deliveryOf } from './message-key.ts';

/** A message to the agent, for its next turn or at once. */
export function Message({ log, task }: { log: TaskLog; task: TaskDetail }) {
  const [text, setText] = useState('');
  const action = useMemo(() => new Action(), []);
  const id = useId();
  // What was said of a message is true in the state of then.
  useEffect(() => action.clear(), [task.status]);
  // A container takes no message before its turn is over.
  const canInterrupt = task.runner !== 'docker';
  const empty = text.trim() === '';
  const send = async (delivery: Delivery): Promise<void> => {
    if (empty) return;
    const sent = await action.run(() => deliver(log.taskId, text, canInterrupt ? delivery : 'queue'));
    // What was typed meanwhile stays.
    if (sent) setText((now) => (now === text ? '' : now));
    void log.refresh();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const delivery = deliveryOf(event);
    if (!delivery) return;
    event.preventDefault();
    void send(delivery);
  };
  const off = empty || action.busy.value;
  return (
    <form
      class="message"
      onSubmit={(event) => {
        event.preventDefault();
        void send('queue');
      }}
    >
      <label class="visually-hidden" for={id}>
        Message to the agent
      </label>
      <textarea
        id={id}
        rows={Math.min(8, Math.max(2, text.split('\n').length))}
        placeholder="Message to the agent"
        value={text}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value);
          action.clear();
        }}
        onKeyDown={onKeyDown}
      />
      <div class="message-buttons">
        <button
          type="submit"
          class="primary"
          aria-disabled={off}
          title="The agent reads it after its present turn"
        >
          Send <Key name="Enter" />
        </button>
        {canInterrupt && (
          <button
            type="button"
            aria-disabled={off}
            title="The turn is interrupted, and the agent reads it now"
            onClick={() => void send('interrupt')}
          >
            Interrupt <Key name="Ctrl Enter" />
          </button>
        )}
      </div>
      <ActionNote action={action} />
    </form>
  );
}

async function deliver(taskId: string, message: string, delivery: Delivery): Promise<string> {
  try {
    const { effect } = await api.post<{ effect: string }>(`/tasks/${taskId}/messages`, { message, delivery });
    return effect;
  } catch (thrown) {
    if (!(thrown instanceof Problem) || thrown.status !== 0) throw thrown;
    // Messages have no key that makes a repeat safe.
    throw new Problem(
      0,
      thrown.code,
      thrown.message,
      'The message may have arrived: look for it in the output before you send it again.',
      { cause: thrown },
    );
  }
}
