import { z } from 'zod';

/** Keys that agent platforms add to the arguments of every call: n8n the first five, Letta the last. */
const PLATFORM_KEYS: ReadonlySet<string> = new Set([
  'toolCallId',
  'tool',
  'sessionId',
  'action',
  'chatInput',
  'request_heartbeat',
]);

/** Numbers that are reduced to their maximum instead of being refused. */
export const CLAMPED = z.registry<{ max: number }>();

export interface CoercedArguments {
  args: Record<string, unknown>;
  /** One sentence for each value that was changed. */
  hints: string[];
}

/**
 * Converts arguments as clients really send them to the types of the schema, if they can mean only one thing. Anything
 * ambiguous stays as it is, for the schema to refuse.
 */
export function coerceArguments(schema: z.ZodObject, sent: Record<string, unknown>): CoercedArguments {
  const hints: string[] = [];
  const args = Object.entries(sent).flatMap(([name, value]) => {
    if (!Object.hasOwn(schema.shape, name)) return PLATFORM_KEYS.has(name) ? [] : [[name, value]];
    const { type, optional } = unwrap(schema.shape[name]);
    const meant = coerce(type, value);
    if (optional && isEmpty(meant)) return [];
    const max = CLAMPED.get(type)?.max;
    if (max === undefined || typeof meant !== 'number' || meant <= max) return [[name, meant]];
    hints.push(`\`${name}\` ${meant} was taken as ${max}, the most there is.`);
    return [[name, max]];
  });
  return { args: Object.fromEntries(args), hints };
}

/** Providers that know only required fields make their models send something for each. */
function isEmpty(value: unknown): boolean {
  return (
    value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
  );
}

function unwrap(schema: unknown, optional = false): { type: z.ZodType; optional: boolean } {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return unwrap(schema.unwrap(), true);
  if (schema instanceof z.ZodType) return { type: schema, optional };
  throw new Error('not a zod schema');
}

/** Parses a string as JSON if the schema wants another type; uses the result if it has that type or is null. */
function coerce(type: z.ZodType, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const isWanted = WANTED.find(([kind]) => type instanceof kind)?.[1];
  if (!isWanted) return value;
  const parsed = parseJson(value.trim());
  return parsed === null || isWanted(parsed) ? parsed : value;
}

const WANTED = [
  [z.ZodNumber, (value: unknown) => typeof value === 'number' && Number.isFinite(value)],
  [z.ZodBoolean, (value: unknown) => typeof value === 'boolean'],
  [z.ZodArray, (value: unknown) => Array.isArray(value)],
] as const;

function parseJson(text: string): unknown {
  // Python's spelling.
  if (text === 'True' || text === 'False') return text === 'True';
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
