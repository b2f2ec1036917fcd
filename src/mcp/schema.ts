import { z } from 'zod';
import type { Tool } from './tool.ts';

interface ObjectSchema {
  type: 'object';
  properties?: Record<string, object>;
  required?: string[];
}

/** A tool as tools/list shows it; kept small, because every agent reads it at every start. */
export function listed({ name, title, description, input, output, annotations }: Tool) {
  return {
    name,
    title,
    description,
    inputSchema: inputSchema(input),
    outputSchema: outputSchema(output),
    annotations: { ...annotations },
  };
}

function inputSchema(schema: z.ZodObject): ObjectSchema {
  const { properties = {}, required = [] } = objectSchema.parse(z.toJSONSchema(schema, { io: 'input' }));
  const shown = { type: 'object' as const, properties: mapValues(properties, withoutBounds) };
  return required.length > 0 ? { ...shown, required } : shown;
}

/** The fields and their types; what is in nested ones, and which are always there, shows in each answer. */
function outputSchema(schema: z.ZodObject): ObjectSchema {
  const { properties = {} } = objectSchema.parse(z.toJSONSchema(schema, { io: 'output' }));
  return {
    type: 'object',
    properties: mapValues(properties, ({ type }) => (typeof type === 'string' ? { type } : {})),
  };
}

const jsonSchema = z.record(z.string(), z.unknown());
const objectSchema = z.object({
  properties: z.record(z.string(), jsonSchema).optional(),
  required: z.array(z.string()).optional(),
});

/** Without bounds that nobody reaches by accident; a refusal names them. */
function withoutBounds(schema: Record<string, unknown>): Record<string, unknown> {
  const { minLength: _1, maxLength: _2, maxItems: _3, maximum, ...rest } = schema;
  const shown = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? rest : { ...rest, maximum };
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
