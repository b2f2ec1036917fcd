import { now, second } from './clock.ts';
import { formatAge, formatDuration } from './duration.ts';

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

/** How long ago an instant was, ticking, with the exact local time on hover. */
export function Age({ at }: { at: string }) {
  second.value;
  return (
    <time dateTime={at} title={EXACT.format(new Date(at))}>
      {formatAge(now() - Date.parse(at))}
    </time>
  );
}

/** The time between two instants, ticking if there is no second one. */
export function Elapsed({ from, to }: { from: string; to?: string | undefined }) {
  if (to === undefined) second.value;
  const end = to === undefined ? now() : Date.parse(to);
  return <span class="number">{formatDuration(Math.max(0, end - Date.parse(from)))}</span>;
}
