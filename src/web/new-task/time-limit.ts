const MS = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const PART = /\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)?/gy;

/** Milliseconds of a time such as `45m`, `1h 30m` or `90` (minutes); undefined if it is none. */
export function parseTimeLimit(text: string): number | undefined {
  const given = text.trim().toLowerCase();
  const parts = [...given.matchAll(PART)];
  const length = parts.reduce((sum, [part]) => sum + part.length, 0);
  if (parts.length === 0 || length !== given.length) return undefined;
  if (parts.length > 1 && parts.some(([, , unit]) => unit === undefined)) return undefined;
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * msOf(unit), 0);
  return ms > 0 && Number.isFinite(ms) ? Math.round(ms) : undefined;
}

/** The same as it is typed: `1h 30m`. */
export function writeTimeLimit(ms: number): string {
  const parts: string[] = [];
  let rest = ms;
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    const count = Math.floor(rest / MS[unit]);
    rest -= count * MS[unit];
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.join(' ');
}

function msOf(unit: string | undefined): number {
  return isUnit(unit) ? MS[unit] : MS.m;
}

function isUnit(unit: string | undefined): unit is keyof typeof MS {
  return unit !== undefined && unit in MS;
}
