/** Milliseconds as a clock shows them: `0:07`, `12:05`, `1:02:05`. Parts of a second are cut off. */
export function formatTimer(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3_600);
  const rest = `${Math.floor(seconds / 60) % 60}`;
  const end = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(Number(rest))}:${end}` : `${rest}:${end}`;
}

/** The time until a deadline; one that began is counted, so that 0:00 means that it is over. */
export function timeLeft(deadline: number, now: number): number {
  return Math.max(0, Math.ceil((deadline - now) / 1_000) * 1_000);
}
