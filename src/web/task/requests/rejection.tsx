import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Key } from '../../parts/key.tsx';

/** Takes the reason for a rejection; the agent reads it. */
export function Rejection(props: {
  disabled: boolean;
  onReject: (message: string) => void;
  onBack: () => void;
}) {
  const { disabled, onReject, onBack } = props;
  const [reason, setReason] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  // Before the next key is typed.
  useLayoutEffect(() => field.current?.focus(), []);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') onBack();
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    onReject(reason);
  };
  return (
    <div class="request-rejection">
      <label for={id}>Reason, for the agent (optional)</label>
      <textarea
        id={id}
        ref={field}
        rows={2}
        value={reason}
        onInput={({ currentTarget }) => setReason(currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <div class="request-buttons">
        <button type="button" class="danger" aria-disabled={disabled} onClick={() => onReject(reason)}>
          Reject <Key name="Enter" />
        </button>
        <button type="button" class="quiet" onClick={onBack}>
          Back <Key name="Esc" />
        </button>
      </div>
    </div>
  );
}
