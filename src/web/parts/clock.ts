import { signal } from '@preact/signals';

/** Milliseconds that the clock of the bridge is ahead of the one of this browser. */
export const clockOffset = signal(0);

/** Rises once a second while the page is visible. Read it where an age is shown. */
export const second = signal(0);

setInterval(() => {
  if (!document.hidden) second.value += 1;
}, 1_000);

/** Epoch milliseconds on the clock of the bridge. */
export function now(): number {
  return Date.now() + clockOffset.value;
}
