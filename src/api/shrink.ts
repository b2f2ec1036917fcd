import { cutWithLength } from '../text.ts';

/** How long texts and lists may be, at each attempt. */
const STEPS = [
  { text: 8_000, items: Number.POSITIVE_INFINITY },
  { text: 2_000, items: 200 },
  { text: 500, items: 50 },
  { text: 100, items: 10 },
] as const;

/** The value itself if its JSON has at most `max` characters, else a copy with long texts and lists cut. */
export function shrink<T>(value: T, max: number): T;
export function shrink(value: unknown, max: number): unknown {
  let smaller = value;
  for (const step of STEPS) {
    if (JSON.stringify(smaller).length <= max) return smaller;
    smaller = cutAll(value, step);
  }
  return smaller;
}

function cutAll(value: unknown, step: (typeof STEPS)[number]): unknown {
  if (typeof value === 'string') return cutWithLength(value, step.text);
  if (Array.isArray(value)) return value.slice(0, step.items).map((item) => cutAll(item, step));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, cutAll(held, step)]));
}
