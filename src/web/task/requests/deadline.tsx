import { now, second } from '../../parts/clock.ts';
import { formatTimer, timeLeft } from '../../parts/timer.ts';

const SOON_MS = 60_000;

/** The time left, and what happens then. */
export function Deadline({ at }: { at: string }) {
  second.value;
  const left = timeLeft(Date.parse(at), now());
  if (left === 0) return <p class="muted">The time is over; the bridge answers.</p>;
  return (
    <p class="muted">
      <span role="timer" class={`number ${left <= SOON_MS ? 'near-limit' : ''}`}>
        {formatTimer(left)}
      </span>{' '}
      left; then the bridge rejects it, and the agent goes on without it.
    </p>
  );
}
