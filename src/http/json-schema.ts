import type { z } from 'zod';

export type JsonSchema = z.core.JSONSchema.JSONSchema;
type Properties = NonNullable<JsonSchema['properties']>;

/** What a field means, by its name and what its schema says. */
export type FieldMeaning = (name: string, said: string | undefined) => string | undefined;

/** Leaves out what only zod needs. */
export function withoutNoise(schema: JsonSchema): JsonSchema {
  return mapSchemas(schema, ({ $schema: _1, $id: _2, title: _3, minimum, maximum, ...rest }) => ({
    ...rest,
    ...(minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? {} : { minimum }),
    ...(maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? {} : { maximum }),
  }));
}

/** Lets every object have fields that the schema does not name. */
export function open(schema: JsonSchema): JsonSchema {
  return mapSchemas(schema, ({ additionalProperties, ...rest }) =>
    typeof additionalProperties === 'object' ? { ...rest, additionalProperties } : rest,
  );
}

/** Describes the fields of the schema by `own`, those of objects within it by `inner`. */
export function describeFields(schema: JsonSchema, own: FieldMeaning, inner: FieldMeaning): JsonSchema {
  const described = (meaning: FieldMeaning) => (it: JsonSchema) => {
    const { properties, ...rest } = it;
    return properties ? { ...rest, properties: describe(properties, meaning) } : rest;
  };
  // Before the inner ones, which keep a description that is there.
  return mapSchemas(described(own)(schema), described(inner));
}

function describe(properties: Properties, meaning: FieldMeaning): Properties {
  return mapProperties(properties, (schema, name) => {
    const description = meaning(name, schema.description);
    return description === undefined ? schema : { ...schema, description };
  });
}

/** Each schema within a schema changed, the inner ones first. */
function mapSchemas(schema: JsonSchema, change: (schema: JsonSchema) => JsonSchema): JsonSchema {
  const inner = (it: JsonSchema): JsonSchema => mapSchemas(it, change);
  const each = (it: JsonSchema | boolean): JsonSchema | boolean => (typeof it === 'boolean' ? it : inner(it));
  const { properties, items, anyOf, oneOf, ...rest } = schema;
  return change({
    ...rest,
    ...(properties && { properties: mapProperties(properties, inner) }),
    ...(items !== undefined && { items: Array.isArray(items) ? items.map(each) : each(items) }),
    ...(anyOf && { anyOf: anyOf.map(inner) }),
    ...(oneOf && { oneOf: oneOf.map(inner) }),
  });
}

function mapProperties(
  properties: Properties,
  change: (schema: JsonSchema, name: string) => JsonSchema,
): Properties {
  const entries = Object.entries(properties).map(
    ([name, schema]) => [name, typeof schema === 'boolean' ? schema : change(schema, name)] as const,
  );
  return Object.fromEntries(entries);
}
