import { z } from 'zod';
import { errorSchema, partSchema, tokensSchema } from '../opencode-protocol/wire.ts';

/** The lines of `opencode run --format json` that the bridge reads. */
export const lineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('step_start'), sessionID: z.string() }),
  z.object({ type: z.literal('text'), sessionID: z.string(), part: partSchema }),
  z.object({ type: z.literal('tool_use'), sessionID: z.string(), part: partSchema }),
  z.object({
    type: z.literal('step_finish'),
    sessionID: z.string(),
    part: z.object({ id: z.string(), reason: z.string(), cost: z.number(), tokens: tokensSchema }),
  }),
  z.object({ type: z.literal('error'), sessionID: z.string().optional(), error: errorSchema }),
]);
export type Line = z.infer<typeof lineSchema>;

/** The `type` values of these lines. */
export const KNOWN_TYPES: ReadonlySet<unknown> = new Set(
  lineSchema.options.map((option) => option.shape.type.value),
);

/** The parsed line; undefined where it is not a JSON object. */
export function parseJsonObject(text: string): unknown {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isJson(text: string): boolean {
  return parseJsonObject(text) !== undefined;
}
