import type { TaskLog } from './task-log.ts';

/** Says so while the page is not up to date. */
export function Connection({ log }: { log: TaskLog }) {
  const text = textOf(log);
  return (
    <p class="banner" role="status" hidden={text === ''}>
      {text}
    </p>
  );
}

function textOf(log: TaskLog): string {
  switch (log.connection.value) {
    case 'lost':
      return 'The connection to the bridge is lost. The page goes on by itself when it is back; nothing is lost.';
    case 'gone':
      return 'This task was removed.';
    case 'connecting':
    case 'live':
    case 'ended':
      return '';
  }
}
