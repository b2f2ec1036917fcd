import { z } from 'zod';

/** Parameters that several tools take. */
export const agentId = z.string().optional();
export const taskId = z.string().min(1).max(200);
export const shortText = z.string().min(1).max(200);
export const reason = z.string().min(1).max(2_000);
export const path = z.string().min(1).max(4_096);

/** The key in the JSON schema of a text of several names: which names there are. */
export const NAMES = 'x-names';

/** Several of these names, separated by commas. */
export function commaSeparated<const N extends readonly string[]>(names: N) {
  const name = z.enum(names);
  return z
    .string()
    .meta({ [NAMES]: [...names] })
    .transform((text, context) =>
      text.split(',').flatMap((part) => {
        const known = name.safeParse(part.trim());
        if (known.success) return [known.data];
        context.addIssue({ code: 'invalid_value', values: [...names], input: text });
        return [];
      }),
    );
}
