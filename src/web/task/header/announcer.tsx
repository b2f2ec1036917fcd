import { useEffect, useRef, useState } from 'preact/hooks';
import type { TaskDetail } from '../../api/task.ts';
import { visible } from '../../parts/plain-text.ts';
import { statusLabel } from '../../parts/status-label.ts';

/** Says to screen readers that the state has changed, and what is asked; nothing else of all that happens. */
export function Announcer({ task: { status, requests } }: { task: TaskDetail }) {
  const [text, setText] = useState('');
  const first = useRef(true);
  const asked = requests.at(-1)?.title;
  const now = asked === undefined ? statusLabel(status) : `${statusLabel(status)}: ${visible(asked)}`;
  useEffect(() => {
    if (!first.current) setText(now);
    first.current = false;
  }, [now]);
  return (
    <p class="visually-hidden" role="status">
      {text}
    </p>
  );
}
