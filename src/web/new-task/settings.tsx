import { formatCount } from '../parts/amount.ts';
import { visible } from '../parts/plain-text.ts';
import type { DraftField } from './draft.ts';
import type { DraftForm } from './draft-form.ts';
import { Field, ListInput } from './field.tsx';
import type { Options } from './options.ts';
import { writeTimeLimit } from './time-limit.ts';

interface SectionProps {
  form: DraftForm;
  options: Options;
}

/** Where the task works, and with what. */
export function Setting({
  form,
  options,
  onDirectory,
}: SectionProps & { onDirectory?: (path: string) => void }) {
  const { models = [], agents = [], directories = {} } = options;
  const folders = directories.suggestions ?? directories.roots ?? [];
  return (
    <fieldset class="fields">
      <legend class="visually-hidden">Setting</legend>
      {onDirectory && (
        <Suggested
          form={form}
          name="directory"
          label="Directory"
          hint={rootsHint(directories.roots)}
          choices={folders.map((value) => ({ value }))}
          placeholder="A new folder"
          onChange={onDirectory}
        />
      )}
      <Suggested
        form={form}
        name="model"
        label="Model"
        choices={models.map(({ id, name }) => ({ value: id, label: name }))}
        placeholder={options.default_model ?? 'provider/model, or the default'}
      />
      <Suggested
        form={form}
        name="agent"
        label="Agent of OpenCode"
        choices={agents.map(({ name, description }) => ({ value: name, label: description?.slice(0, 80) }))}
        placeholder={options.default_agent ?? 'The default'}
      />
    </fieldset>
  );
}

/** How far the task may go. */
export function Limits({ form, options }: SectionProps) {
  const { timeout_ms: time, max_cost_usd: cost, max_tokens: tokens } = options.limits ?? {};
  return (
    <fieldset class="fields">
      <legend class="visually-hidden">Limits</legend>
      <Plain
        form={form}
        name="timeLimit"
        label="Time limit"
        hint={
          time?.max === undefined
            ? 'Such as 45m or 1h 30m'
            : `Such as 45m; at most ${writeTimeLimit(time.max)}`
        }
        placeholder={time?.default === undefined ? 'The default' : writeTimeLimit(time.default)}
      />
      <Plain
        form={form}
        name="costLimit"
        label="Cost limit in US$"
        inputMode="decimal"
        placeholder={cost?.default === undefined ? 'None' : String(cost.default)}
      />
      <Plain
        form={form}
        name="tokenLimit"
        label="Token limit"
        hint="Such as 200k"
        placeholder={tokens?.default === undefined ? 'None' : formatCount(tokens.default)}
      />
    </fieldset>
  );
}

const MORE: readonly DraftField[] = ['observers', 'callbackUrl', 'owner'];

/** What is seldom needed; open where something of it is filled in or wrong. */
export function More({ form, hasOwner }: { form: DraftForm; hasOwner: boolean }) {
  const isUsed = MORE.some(
    (field) => form.draft.value[field] !== '' || form.errors.value[field] !== undefined,
  );
  return (
    <details class="more" open={isUsed}>
      <summary>More</summary>
      <div class="fields">
        <Plain
          form={form}
          name="observers"
          label="Observers"
          hint="Matrix users, separated by commas"
          placeholder="@ann:example.org"
        />
        <Plain
          form={form}
          name="callbackUrl"
          label="Callback URL"
          hint="Gets the important events, signed"
          placeholder="https://…"
          inputMode="url"
        />
        {hasOwner && (
          <Plain
            form={form}
            name="owner"
            label="Owner"
            hint="The agent whose task it is"
            placeholder="default"
          />
        )}
      </div>
    </details>
  );
}

interface InputProps {
  form: DraftForm;
  name: DraftField;
  label: string;
  hint?: string | undefined;
  placeholder?: string | undefined;
}

function Plain({
  form,
  name,
  label,
  hint,
  placeholder,
  inputMode,
}: InputProps & { inputMode?: 'decimal' | 'url' }) {
  return (
    <Field name={name} label={label} hint={hint} error={form.errors.value[name]}>
      {(attributes) => (
        <input
          {...attributes}
          value={form.draft.value[name]}
          placeholder={placeholder}
          inputMode={inputMode}
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => form.set({ [name]: currentTarget.value })}
        />
      )}
    </Field>
  );
}

interface SuggestedProps extends InputProps {
  choices: readonly { value: string; label?: string | undefined }[];
  onChange?: (value: string) => void;
}

function Suggested({ form, name, label, hint, placeholder, choices, onChange }: SuggestedProps) {
  return (
    <Field name={name} label={label} hint={hint} error={form.errors.value[name]}>
      {(attributes) => (
        <ListInput
          attributes={attributes}
          value={form.draft.value[name]}
          onInput={(value) => form.set({ [name]: value })}
          choices={choices}
          placeholder={placeholder}
          {...(onChange && { onChange })}
        />
      )}
    </Field>
  );
}

function rootsHint(roots: readonly string[] | undefined): string | undefined {
  return roots && roots.length > 0 ? `In ${roots.map(visible).join(' or ')}` : undefined;
}
