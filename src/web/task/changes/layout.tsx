import { signal } from '@preact/signals';
import { Choice } from './choice.tsx';
import type { Layout } from './diff-view.tsx';

const KEY = 'diff layout';

/** How this person reads diffs, in every task. */
export const layout = signal<Layout>(localStorage.getItem(KEY) === 'split' ? 'split' : 'unified');

/** Chooses the layout of all diffs. */
export function LayoutChoice() {
  const choose = (chosen: Layout): void => {
    layout.value = chosen;
    localStorage.setItem(KEY, chosen);
  };
  return (
    <Choice
      label="Layout of the diff"
      options={[
        ['unified', 'Unified'],
        ['split', 'Split'],
      ]}
      value={layout.value}
      onChange={choose}
    />
  );
}
