import { useState } from 'preact/hooks';

const SHOWN_MS = 2_000;

/** Copies a text; `label` says what it is. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [result, setResult] = useState<'Copied' | 'Not copied' | undefined>(undefined);
  const onClick = async (): Promise<void> => {
    setResult((await copy(text)) ? 'Copied' : 'Not copied');
    setTimeout(() => setResult(undefined), SHOWN_MS);
  };
  return (
    <button type="button" class="quiet" aria-label={result ?? `Copy ${label}`} onClick={() => void onClick()}>
      {result ?? 'Copy'}
    </button>
  );
}

/** Browsers have a clipboard only over https and on this machine; elsewhere a selection is copied. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelection(text);
  }
}

function copySelection(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'visually-hidden';
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
