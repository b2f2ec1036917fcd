import { z } from 'zod';
import type { Tool } from './tool.ts';

interface ObjectSchema {
  type: 'object';
  properties?: Record<string, object>;
  required?: string[];
  additionalProperties?: false;
}

/** A tool as tools/list shows it; kept small, because each agent reads the list at each start. */
export function listed({ name, title, description, input, output, annotations }: Tool) {
  return {
    name,
    title,
    description,
    inputSchema: inputSchema(input),
    outputSchema: outputSchema(output, Object.keys(input.shape)),
    annotations: { ...annotations },
  };
}

function inputSchema(schema: z.ZodObject): ObjectSchema {
  const { properties = {}, required = [] } = objectSchema.parse(z.toJSONSchema(schema, { io: 'input' }));
  const shown = { type: 'object' as const, properties: mapValues(properties, withoutBounds) };
  if (required.length > 0) return { ...shown, required };
  // OpenAI's agents SDK refuses an open object for a tool that takes nothing of its own, in strict mode.
  const takesNothing = Object.keys(properties).every((name) => name === 'agent_id');
  return takesNothing ? { ...shown, additionalProperties: false } : shown;
}

/** Only field names and types: nested fields, and fields that repeat the input, are visible in each answer. */
function outputSchema(schema: z.ZodObject, repeated: readonly string[]): ObjectSchema {
  const { properties = {} } = objectSchema.parse(z.toJSONSchema(schema, { io: 'output' }));
  const listed = Object.entries(properties).filter(([name]) => !repeated.includes(name));
  return { type: 'object', properties: mapValues(Object.fromEntries(listed), typeAlone) };
}

function typeAlone({ type, items }: Record<string, unknown>): object {
  if (typeof type !== 'string') return {};
  const held = jsonSchema.safeParse(items);
  return held.success ? { type, items: typeAlone(held.data) } : { type };
}

const jsonSchema = z.record(z.string(), z.unknown());
const objectSchema = z.object({
  properties: z.record(z.string(), jsonSchema).optional(),
  required: z.array(z.string()).optional(),
});

/** Omits bounds that callers hardly reach, which errors name anyway, and empty defaults. */
function withoutBounds(schema: Record<string, unknown>): Record<string, unknown> {
  const { minLength: _1, maxLength: _2, maxItems: _3, minimum, maximum, default: fallback, ...rest } = schema;
  const shown = {
    ...(fallback ? { default: fallback } : {}),
    ...rest,
    ...(minimum ? { minimum } : {}),
    ...(maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? {} : { maximum }),
  };
  return mapValues(shown, (value) => {
    if (Array.isArray(value)) return value.map((item) => nested(item));
    return nested(value);
  });
}

function nested(value: unknown): unknown {
  const schema = jsonSchema.safeParse(value);
  return schema.success ? withoutBounds(schema.data) : value;
}

function mapValues<V, W>(values: Record<string, V>, change: (value: V) => W): Record<string, W> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, change(value)]));
}
