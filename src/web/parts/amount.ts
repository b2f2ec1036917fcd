/** US dollars as people compare them: cents from a cent on, four digits below. */
export function formatCost(usd: number): string {
  if (usd === 0) return '$0';
  if (usd < 0.00005) return '<$0.0001';
  return `$${usd.toFixed(usd < 0.01 ? 4 : 2)}`;
}

/** A number in at most four characters and a unit: `950`, `12.3k`, `4.1M`. */
export function formatCount(count: number): string {
  if (count < 1_000) return String(count);
  if (count < 999_500) return `${shorten(count / 1_000)}k`;
  return `${shorten(count / 1_000_000)}M`;
}

function shorten(value: number): string {
  return value < 99.95 ? value.toFixed(1).replace(/\.0$/, '') : String(Math.round(value));
}
