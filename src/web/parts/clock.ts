import { signal } from '@preact/signals';

/** Milliseconds that the clock of the bridge is ahead of the one of this browser. */
const clockOffset = signal(0);

/** The header `Date` has whole seconds, and an answer takes its time: less says nothing. */
const TOLERANCE_MS = 2_000;

/** Learns the time of the bridge from the header `Date` of an answer. */
export function learnTime(date: string | null): void {
  const offset = Date.parse(date ?? '') - Date.now();
  if (Math.abs(offset - clockOffset.peek()) > TOLERANCE_MS) clockOffset.value = offset;
}

/** Rises once a second while the page is visible. Read it where an age is shown. */
export const second = signal(0);

setInterval(() => {
  if (!document.hidden) second.value += 1;
}, 1_000);

/** Epoch milliseconds on the clock of the bridge. */
export function now(): number {
  return Date.now() + clockOffset.value;
}
