import { z } from 'zod';

export const text = z.string().min(1);
export const port = z.coerce.number().int().min(0).max(65_535);
export const positive = z.coerce.number().int().min(1);
export const natural = z.coerce.number().int().min(0);
/** Node's timers hold no longer ones. */
const MAX_MS = 2_147_483_647;
export const duration = z.coerce.number().int().min(1).max(MAX_MS);
export const delay = z.coerce.number().int().min(0).max(MAX_MS);
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
/** An address without credentials, for which there is `instead`. */
export const httpUrl = (instead: string) =>
  z
    .url({ protocol: /^https?$/, abort: true })
    .refine((url) => !new URL(url).username && !new URL(url).password, {
      message: `must not hold credentials: use ${instead}`,
    })
    .transform((url) => url.replace(/\/+$/, ''));
export const model = z.string().regex(/^[^/\s]+\/\S+$/, 'must be provider/model');
