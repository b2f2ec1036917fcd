import { useState } from 'preact/hooks';
import { CopyButton } from '../../parts/copy-button.tsx';
import { firstLine } from '../../parts/first-line.ts';

const FOLDED = 160;
/** What fits into the heading on any screen. */
const SHORT = 80;

/** What has to be done: its first line is the heading, the whole unfolds. */
export function Description({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  const line = firstLine(text, FOLDED);
  // A narrow heading is cut at some lines.
  const isWhole = line === text.trim();
  if (isWhole && line.length <= SHORT) return <h1>{line}</h1>;
  return (
    <>
      <h1>{line}</h1>
      <details
        class={isWhole ? 'task-description task-description-narrow' : 'task-description'}
        onToggle={({ currentTarget }) => setOpen(currentTarget.open)}
      >
        <summary>Whole description</summary>
        {open && (
          <>
            <pre>{text}</pre>
            <CopyButton text={text} label="the description" />
          </>
        )}
      </details>
    </>
  );
}
