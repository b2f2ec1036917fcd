import { useState } from 'preact/hooks';
import { copyText } from './clipboard.ts';

const SHOWN_MS = 2_000;

/** Copies a text; `label` says what it is. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [result, setResult] = useState<'Copied' | 'Not copied' | undefined>(undefined);
  const onClick = async (): Promise<void> => {
    setResult((await copyText(text)) ? 'Copied' : 'Not copied');
    setTimeout(() => setResult(undefined), SHOWN_MS);
  };
  return (
    <button type="button" class="quiet" aria-label={result ?? `Copy ${label}`} onClick={() => void onClick()}>
      {result ?? 'Copy'}
    </button>
  );
}
