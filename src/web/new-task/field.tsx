import type { ComponentChildren, JSX } from 'preact';
import { visible, visibleName } from '../parts/plain-text.ts';
import type { DraftField } from './draft.ts';

interface FieldProps {
  name: DraftField;
  label: string;
  hint?: ComponentChildren;
  error: string | undefined;
  children: (attributes: ControlAttributes) => JSX.Element;
}

/** What ties a control to its label, its hint and its error. */
interface ControlAttributes {
  id: string;
  name: string;
  'aria-describedby': string;
  'aria-invalid': boolean;
}

/** A control with its label, its hint, and what is wrong with it. */
export function Field({ name, label, hint, error, children }: FieldProps) {
  const id = `field-${name}`;
  const described = { 'aria-describedby': `${id}-hint ${id}-error`, 'aria-invalid': error !== undefined };
  return (
    <div class={`field field-${name}`}>
      <label for={id}>{label}</label>
      {children({ id, name, ...described })}
      <p id={`${id}-error`} class="field-error">
        {error && visible(error)}
      </p>
      <p id={`${id}-hint`} class="field-hint muted">
        {hint}
      </p>
    </div>
  );
}

interface ListInputProps {
  attributes: ControlAttributes;
  value: string;
  onInput: (value: string) => void;
  onChange?: (value: string) => void;
  choices: readonly Choice[];
  placeholder?: string | undefined;
}

interface Choice {
  value: string;
  label?: string | undefined;
}

/** A text with suggestions; any other text is taken too. */
export function ListInput({ attributes, value, onInput, onChange, choices, placeholder }: ListInputProps) {
  const listId = `${attributes.id}-list`;
  return (
    <>
      <input
        {...attributes}
        list={listId}
        value={value}
        placeholder={placeholder && visibleName(placeholder)}
        autocomplete="off"
        spellcheck={false}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
        onChange={({ currentTarget }) => onChange?.(currentTarget.value)}
      />
      <datalist id={listId}>
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value} label={labelOf(choice)} />
        ))}
      </datalist>
    </>
  );
}

/** The value is what is taken, so it stays as it is; a label says what cannot be seen in it. */
function labelOf({ value, label }: Choice): string | undefined {
  const seen = visibleName(label ?? value);
  return label === undefined && seen === value ? undefined : seen;
}
