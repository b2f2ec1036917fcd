import { z } from 'zod';

/** Parameters that several tools take. */
export const agentId = z.string().optional();
export const taskId = z.string().min(1).max(200);
export const shortText = z.string().min(1).max(200);
export const reason = z.string().min(1).max(2_000);
export const path = z.string().min(1).max(4_096);

/** Several of these names, separated by commas. */
export function commaSeparated<const N extends readonly string[]>(names: N) {
  return z
    .string()
    .transform((text) => text.split(',').map((name) => name.trim()))
    .pipe(z.array(z.enum(names)));
}
