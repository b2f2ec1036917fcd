import { useComputed, useSignal } from '@preact/signals';
import { useLayoutEffect } from 'preact/hooks';
import { now, second } from './clock.ts';
import { formatAge, formatDuration } from './duration.ts';
import { exactTime } from './exact-time.ts';

/** How long ago an instant was, ticking, with the exact local time on hover. */
export function Age({ at }: { at: string }) {
  const text = useTicking(at, (instant) => {
    second.value;
    return formatAge(now() - Date.parse(instant));
  });
  return (
    <time dateTime={at} onPointerEnter={({ currentTarget }) => (currentTarget.title = exactTime(at))}>
      {text}
    </time>
  );
}

/** The time between two instants, ticking if there is no second one. */
export function Elapsed({ from, to }: { from: string; to?: string | undefined }) {
  const text = useTicking(`${from} ${to ?? ''}`, (instants) => {
    const [start = '', end] = instants.split(' ');
    if (!end) second.value;
    return formatDuration(Math.max(0, (end ? Date.parse(end) : now()) - Date.parse(start)));
  });
  return <span class="number">{text}</span>;
}

/** A text that changes with the clock: only its text node is written, and only if it differs. */
function useTicking(given: string, textOf: (given: string) => string) {
  const current = useSignal(given);
  useLayoutEffect(() => {
    current.value = given;
  }, [given]);
  return useComputed(() => textOf(current.value));
}
