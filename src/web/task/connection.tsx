import { useEffect, useRef, useState } from 'preact/hooks';
import type { TaskLog } from './task-log.ts';

/** How long the page says that it is connected again. */
const RETURNED_MS = 6_000;

/** Says so while the page is not up to date, and when it is again. */
export function Connection({ log }: { log: TaskLog }) {
  const connection = log.connection.value;
  const wasLost = useRef(false);
  const [returned, setReturned] = useState(false);
  useEffect(() => {
    const isBack = wasLost.current && (connection === 'live' || connection === 'ended');
    wasLost.current = connection === 'lost' || (wasLost.current && connection === 'connecting');
    setReturned(isBack);
    if (!isBack) return;
    const timer = setTimeout(() => setReturned(false), RETURNED_MS);
    return () => clearTimeout(timer);
  }, [connection]);
  const text = returned ? 'Connected again; nothing was lost.' : textOf(log);
  return (
    <p class={returned ? 'banner banner-ok' : 'banner'} role="status" hidden={text === ''}>
      {text}
    </p>
  );
}

function textOf(log: TaskLog): string {
  switch (log.connection.value) {
    case 'lost':
      return navigator.onLine
        ? 'The bridge does not answer; it may be restarting. The page goes on by itself when it is back; nothing is lost.'
        : 'This computer is offline. The page goes on by itself when it is back; nothing is lost.';
    case 'gone':
      return 'This task was removed.';
    case 'connecting':
    case 'live':
    case 'ended':
      return '';
  }
}
