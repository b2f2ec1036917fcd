import { z } from 'zod';

export const text = z.string().min(1);
export const port = z.coerce.number().int().min(0).max(65_535);
export const positive = z.coerce.number().int().min(1);
export const natural = z.coerce.number().int().min(0);
/** The longest time of Node's timers. */
const MAX_MS = 2_147_483_647;
export const duration = z.coerce.number().int().min(1).max(MAX_MS);
export const delay = z.coerce.number().int().min(0).max(MAX_MS);
/** The text of a number of seconds as one of milliseconds; anything else becomes no number, not one of another unit. */
export function secondsToMs(text: string): string {
  return /^\d+(\.\d+)?$/.test(text) ? String(Math.round(Number(text) * 1_000)) : 'NaN';
}
export const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum(['true', '1', 'yes', 'on', 'false', '0', 'no', 'off']))
  .transform((word) => ['true', '1', 'yes', 'on'].includes(word));
export const list = z.string().transform((words) =>
  words
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean),
);
/** Bytes; `2g` is 2 GiB. */
export const amount = z
  .string()
  .regex(/^\d+[kmg]?$/i, 'must be a number of bytes, with k, m or g')
  .transform((given) => {
    const unit = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[given.at(-1)?.toLowerCase() ?? ''] ?? 1;
    return Number.parseInt(given, 10) * unit;
  });
/** An address without credentials; the error names `instead` for them. */
export const httpUrl = (instead: string) =>
  z
    .url({ protocol: /^https?$/, abort: true })
    .refine((url) => !new URL(url).username && !new URL(url).password, {
      message: `must not hold credentials: use ${instead}`,
    })
    .transform((url) => url.replace(/\/+$/, ''));
export const model = z.string().regex(/^[^/\s]+\/\S+$/, 'must be provider/model');
