import { z } from 'zod';
import type { Tool } from './tool.ts';

interface ObjectSchema {
  type: 'object';
  properties?: Record<string, object>;
  required?: string[];
}

interface PortableSchema {
  type?: string | undefined;
  description?: string | undefined;
  enum?: string[] | undefined;
  items?: PortableSchema;
  minimum?: number;
  maximum?: number;
}

/** A tool as tools/list shows it; kept small, because each agent reads the list at each start. */
export function listed({ name, title, description, input, output, annotations, claude }: Tool) {
  return {
    name,
    title,
    description,
    inputSchema: inputSchema(input),
    outputSchema: outputSchema(output, Object.keys(input.shape)),
    annotations: { ...annotations },
    _meta: Object.fromEntries(Object.entries(claude).map(([key, value]) => [`anthropic/${key}`, value])),
  };
}

/**
 * Only keywords that Gemini, OpenAI's strict mode and Letta all take, and no bounds that callers hardly reach: errors
 * name those. A tool still takes what its list does not show, such as the other forms of a union.
 */
function inputSchema(schema: z.ZodObject): ObjectSchema {
  const { properties = {}, required = [] } = objectSchema.parse(z.toJSONSchema(schema, { io: 'input' }));
  const shown = { type: 'object' as const, properties: mapValues(properties, portable) };
  return required.length > 0 ? { ...shown, required } : shown;
}

function portable(schema: unknown): PortableSchema {
  const { anyOf, items, minimum, maximum, ...rest } = fieldSchema.parse(schema);
  // The last form of a union is the one that can say the most.
  if (anyOf) return portable(anyOf.at(-1));
  return {
    ...rest,
    ...(items === undefined ? {} : { items: portable(items) }),
    ...(minimum ? { minimum } : {}),
    ...(maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? {} : { maximum }),
  };
}

/** Fields that nobody needs to know of before an answer shows them. */
const UNLISTED: ReadonlySet<string> = new Set([
  ...['hint', 'workspace_block_id', 'session_id', 'created_at', 'started_at', 'ended_at', 'last_seq'],
  ...['progress', 'queue_position', 'total', 'patch_truncated', 'media_type'],
  ...['pong', 'version', 'mode', 'uptime_ms', 'metrics', 'dependencies', 'node'],
]);

/** Only field names and types: nested fields, and fields that repeat the input, are visible in each answer. */
function outputSchema(schema: z.ZodObject, repeated: readonly string[]): ObjectSchema {
  const { properties = {} } = objectSchema.parse(z.toJSONSchema(schema, { io: 'output' }));
  const listed = Object.entries(properties).filter(
    ([name]) => !repeated.includes(name) && !UNLISTED.has(name),
  );
  return { type: 'object', properties: mapValues(Object.fromEntries(listed), typeAlone) };
}

function typeAlone({ type, items }: Record<string, unknown>): object {
  if (typeof type !== 'string') return {};
  const held = jsonSchema.safeParse(items);
  if (!held.success) return { type };
  return { type, items: held.data.type === 'object' ? {} : typeAlone(held.data) };
}

const jsonSchema = z.record(z.string(), z.unknown());
const objectSchema = z.object({
  properties: z.record(z.string(), jsonSchema).optional(),
  required: z.array(z.string()).optional(),
});

const fieldSchema = z.object({
  type: z.string().optional(),
  description: z.string().optional(),
  enum: z.array(z.string()).optional(),
  items: z.unknown().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  anyOf: z.array(z.unknown()).optional(),
});

function mapValues<V, W>(values: Record<string, V>, change: (value: V) => W): Record<string, W> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
}
