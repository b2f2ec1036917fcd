import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import './dialog.css';

/**
 * A modal dialog while it is mounted. Escape and a click beside it close it. The focus returns to where it was; if that
 * has gone, to what `returnTo` names.
 */
export function Dialog(props: {
  title: string;
  onClose: () => void;
  /** A selector. */
  returnTo: string;
  children: ComponentChildren;
}) {
  const { title, onClose, returnTo, children } = props;
  const titleId = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      dialog.current?.close();
      // After the changes that closed it are drawn.
      setTimeout(() => focusAgain(before, returnTo));
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={({ target }) => target === dialog.current && onClose()}
    >
      <div class="dialog-body">
        <h2 id={titleId}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

function focusAgain(before: Element | null, otherwise: string): void {
  const usable = before instanceof HTMLElement && before.isConnected && !before.matches(':disabled');
  const target = usable && before !== document.body ? before : document.querySelector(otherwise);
  if (target instanceof HTMLElement) target.focus();
}
