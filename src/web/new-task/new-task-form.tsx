import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { session } from '../api/session.ts';
import type { TaskDetail } from '../api/task.ts';
import { taskPath } from '../links.ts';
import { ProblemNote } from '../parts/problem.tsx';
import { navigate } from '../router.ts';
import { EMPTY_DRAFT } from './draft.ts';
import { DraftForm } from './draft-form.ts';
import { Field } from './field.tsx';
import { useOptions } from './options.ts';
import { Previous } from './previous.tsx';
import { Limits, More, Setting } from './settings.tsx';

/** What to do, where, with what, and how far it may go. `previous`: the task that is continued. */
export function NewTaskForm({ previous }: { previous: TaskDetail | undefined }) {
  const form = useMemo(() => newForm(previous), []);
  const root = useRef<HTMLFormElement>(null);
  const draft = form.draft.value;
  const errors = form.errors.value;
  const sending = form.sending.value;
  const [directory, setDirectory] = useState(previous?.directory ?? draft.directory);
  const options = useOptions(directory.trim());

  useEffect(() => root.current?.querySelector<HTMLElement>('textarea')?.focus(), []);
  useEffect(() => root.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus(), [errors]);

  const execute = async (): Promise<void> => {
    const owner = previous?.agent_id ?? (draft.owner.trim() || undefined);
    const taskId = await form.execute(owner);
    if (taskId !== undefined) navigate(taskPath(taskId));
  };
  return (
    <form
      class="new-task"
      ref={root}
      noValidate
      aria-labelledby="new-task-title"
      onSubmit={(event) => {
        event.preventDefault();
        void execute();
      }}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        void execute();
      }}
    >
      <h1 id="new-task-title">{previous ? 'Follow-up' : 'New task'}</h1>
      {previous && <Previous task={previous} error={errors.continues} />}
      <Field name="description" label="What to do" error={errors.description}>
        {(attributes) => (
          <textarea
            {...attributes}
            rows={8}
            required
            value={draft.description}
            placeholder="Everything that the agent needs to know: the goal, the files, how to check the result."
            onInput={({ currentTarget }) => form.set({ description: currentTarget.value })}
          />
        )}
      </Field>
      <Setting form={form} options={options} {...(!previous && { onDirectory: setDirectory })} />
      <Limits form={form} options={options} />
      <More form={form} hasOwner={previous === undefined && session.value?.agent_id === undefined} />
      {form.problem.value && <ProblemNote problem={form.problem.value} />}
      <div class="new-task-actions">
        <button type="submit" class="primary" disabled={sending} aria-keyshortcuts="Control+Enter">
          {sending ? 'Handing over…' : 'Execute'}
        </button>
        <span class="muted">
          <kbd>Ctrl</kbd> <kbd>Enter</kbd>
        </span>
        {draft !== EMPTY_DRAFT && !sending && (
          <button type="button" class="quiet" onClick={() => form.clear()}>
            Discard the draft
          </button>
        )}
      </div>
    </form>
  );
}

/** A follow-up begins with the model and agent of its task. */
function newForm(previous: TaskDetail | undefined): DraftForm {
  const form = new DraftForm(previous?.task_id);
  if (previous && form.draft.value === EMPTY_DRAFT) {
    const { model = '', agent = '' } = previous;
    form.draft.value = { ...EMPTY_DRAFT, model, agent };
  }
  return form;
}
