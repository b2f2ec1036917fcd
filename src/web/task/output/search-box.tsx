import type { Ref } from 'preact';
import { useState } from 'preact/hooks';
import type { OutputLog } from './output-log.ts';

interface Props {
  output: OutputLog;
  input: Ref<HTMLInputElement>;
  onStep(step: 1 | -1): void;
  /** Escape: back to the rows. */
  onLeave(): void;
}

const COUNT = new Intl.NumberFormat('en');

/** Search in the text of the rows that the filter shows, folded ones too. */
export function SearchBox({ output, input, onStep, onLeave }: Props) {
  const [text, setText] = useState('');
  output.version.value;
  const change = (value: string): void => {
    setText(value);
    output.find(value);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter') onStep(event.shiftKey ? -1 : 1);
    else if (event.key === 'Escape') {
      if (text !== '') change('');
      onLeave();
    } else return;
    event.preventDefault();
  };
  return (
    <search class="output-search">
      <input
        ref={input}
        type="search"
        aria-label="Search in the output"
        placeholder="Search  /"
        value={text}
        onInput={({ currentTarget }) => change(currentTarget.value)}
        onKeyDown={onKeyDown}
        autocomplete="off"
        spellcheck={false}
      />
      {text !== '' && (
        <>
          <output class="number muted">{countOf(output)}</output>
          <button type="button" class="quiet" aria-label="Previous hit" onClick={() => onStep(-1)}>
            ↑
          </button>
          <button type="button" class="quiet" aria-label="Next hit" onClick={() => onStep(1)}>
            ↓
          </button>
        </>
      )}
    </search>
  );
}

function countOf({ search, hit }: OutputLog): string {
  if (!search) return '';
  const total = COUNT.format(search.total);
  if (hit.value) return `${COUNT.format(search.ordinal(hit.value))} of ${total}`;
  return search.total === 1 ? '1 hit' : `${total} hits`;
}
