import fc from 'fast-check';
import { z } from 'zod';

/** Stands for the id of the task that a request is about. */
export const TASK = 'TASK';
/** Stands for a folder in which tasks may work. */
export const DIRECTORY = 'DIRECTORY';

/** The part of JSON Schema that the document uses. */
export const schemaShape = z.looseObject({
  $ref: z.string().optional(),
  type: z.enum(['string', 'integer', 'number', 'boolean', 'array', 'object']).optional(),
  enum: z.array(z.unknown()).optional(),
  minimum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  required: z.array(z.string()).optional(),
  get properties() {
    return z.record(z.string(), schemaShape).optional();
  },
  get items() {
    return schemaShape.optional();
  },
  get anyOf() {
    return z.array(schemaShape).optional();
  },
});
export type Schema = z.infer<typeof schemaShape>;

/** The schema to which a reference leads; any other one itself. */
export type Resolve = (schema: Schema) => Schema;

/** Values with a meaning for the bridge, which chance would not find. */
const TELLING: Readonly<Record<string, readonly (string | number)[]>> = {
  task_id: [TASK],
  continue_task_id: [TASK],
  request_id: ['per_1', 'que_1'],
  path: ['made.txt', '.', 'folder', 'folder/inner.txt', '../made.txt', '/etc/passwd', 'link', '.git'],
  directory: [DIRECTORY],
  'Last-Event-ID': ['0', '2', '99'],
  Range: ['bytes=0-3', 'bytes=2-', 'bytes=-2', 'bytes=900-', 'bytes=0-1,3-4', 'lines=1-2'],
  'If-None-Match': ['*', '"x"'],
  token: ['ann-token'],
  provider: ['anthropic', 'openai', 'llm'],
  api_key: ['sk-planted-key'],
  base_url: ['http://llm.test/v1'],
};
/** Values that a valid request has nothing else than: others are refused for a reason that no schema says. */
const ONLY: typeof TELLING = {
  agent_id: ['ann'],
  'X-Agent-Id': ['ann'],
  model: ['provider/model'],
  observers: ['@ann:example.org'],
  // A longer wait would only take time.
  wait_ms: [0, 1, 20],
};

/** A value that the schema allows. */
export function allowedBy(schema: Schema, name: string, resolve: Resolve): fc.Arbitrary<unknown> {
  if (schema.type === 'array' || schema.type === 'object') return byType(schema, name, resolve);
  const only = ONLY[name];
  if (only) return fc.constantFrom(...only);
  const other = byType(schema, name, resolve);
  const telling = TELLING[name];
  if (!telling) return other;
  const known = fc.constantFrom<unknown>(...telling);
  return fc.oneof({ weight: 4, arbitrary: known }, { weight: 1, arbitrary: other });
}

function byType(schema: Schema, name: string, resolve: Resolve): fc.Arbitrary<unknown> {
  const { type, properties = {}, required = [], items, anyOf } = schema;
  const { minimum = -1e9, exclusiveMinimum, maximum = 1e9, minLength = 0, maxLength = 300 } = schema;
  const inner = (it: Schema, key = name) => allowedBy(resolve(it), key, resolve);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (anyOf) return fc.oneof(...anyOf.map((it) => inner(it)));
  switch (type) {
    case 'string':
      return fc.oneof(
        fc.string({ minLength, maxLength: Math.min(maxLength, 40), unit: 'grapheme' }),
        fc.string({ minLength, maxLength: Math.min(maxLength, 40), unit: 'binary' }),
        fc.constant('x'.repeat(Math.min(maxLength, 4_096))),
      );
    case 'integer':
      return fc.oneof(fc.integer({ min: minimum, max: maximum }), fc.constantFrom(minimum, maximum));
    case 'number':
      return fc.double({
        min: exclusiveMinimum ?? minimum,
        minExcluded: exclusiveMinimum !== undefined,
        max: maximum,
        noNaN: true,
      });
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(items ? inner(items) : fc.jsonValue(), {
        maxLength: schema.maxItems ?? 60,
        size: 'small',
      });
    case 'object': {
      const fields = Object.entries(properties).map(([key, it]) => [key, inner(it, key)] as const);
      return recordWith(Object.fromEntries(fields), required);
    }
    default:
      throw new Error(`no values are known for ${JSON.stringify(schema)}`);
  }
}

/** Any of the optional fields, or at most two: many exclude each other. */
export function recordWith(
  fields: Record<string, fc.Arbitrary<unknown>>,
  requiredKeys: string[],
): fc.Arbitrary<Record<string, unknown>> {
  const optional = Object.keys(fields).filter((key) => !requiredKeys.includes(key));
  const few = fc.subarray(optional, { maxLength: Math.min(2, optional.length) });
  const pick = ([all, chosen]: [Record<string, unknown>, string[]]) =>
    Object.fromEntries(Object.entries(all).filter(([key]) => [...requiredKeys, ...chosen].includes(key)));
  return fc.oneof(fc.record(fields, { requiredKeys }), fc.tuple(fc.record(fields), few).map(pick));
}
