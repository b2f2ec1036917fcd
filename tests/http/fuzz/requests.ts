import fc from 'fast-check';
import { z } from 'zod';
import { damage, distortion, type GeneratedRequest, type Parts, TASK_KINDS, textOf } from './damage.ts';
import { allowedBy, type Resolve, recordWith, type Schema, schemaShape } from './values.ts';

const parameterShape = z.object({
  name: z.string(),
  in: z.enum(['path', 'query', 'header']),
  required: z.boolean().optional(),
  schema: schemaShape,
});
type Parameter = z.infer<typeof parameterShape>;

const documentShape = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        operationId: z.string(),
        security: z.array(z.record(z.string(), z.unknown())).optional(),
        parameters: z.array(z.union([parameterShape, z.object({ $ref: z.string() })])),
        requestBody: z
          .object({ content: z.record(z.string(), z.object({ schema: schemaShape })) })
          .optional(),
      }),
    ),
  ),
  components: z.object({
    schemas: z.record(z.string(), schemaShape),
    parameters: z.record(z.string(), parameterShape),
  }),
});

const ASKED_OFTEN = [...TASK_KINDS, ...TASK_KINDS.map(() => 'asking' as const)];

export interface Operation {
  name: string;
  /** Requests as the document allows them. */
  valid: fc.Arbitrary<GeneratedRequest>;
  /** The same with something wrong. */
  broken: fc.Arbitrary<GeneratedRequest>;
}

/** For each operation of an OpenAPI document, requests to it. */
export function operationsOf(document: unknown, tokens: { agent: string; operator: string }): Operation[] {
  const { paths, components } = documentShape.parse(document);
  const resolve = (schema: Schema): Schema => {
    const found =
      schema.$ref === undefined ? schema : components.schemas[schema.$ref.split('/').at(-1) ?? ''];
    if (!found) throw new Error(`${schema.$ref} leads nowhere`);
    return found;
  };
  return Object.entries(paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, { operationId, security = [], parameters, requestBody }]) => {
      const token = security.some((scheme) => 'operator' in scheme) ? tokens.operator : tokens.agent;
      const named = parameters.map((parameter) =>
        '$ref' in parameter ? components.parameters[parameter.$ref.split('/').at(-1) ?? ''] : parameter,
      );
      const own = named.filter((parameter) => parameter !== undefined);
      const schema = requestBody?.content['application/json']?.schema;
      const body = schema ? allowedBy(resolve(schema), '', resolve) : fc.constant(undefined);
      const parts = fc.record({
        // Only one of them has requests to answer.
        task: fc.constantFrom(...(template.includes('{request_id}') ? ASKED_OFTEN : TASK_KINDS)),
        path: recordOf(own, 'path', resolve),
        query: recordOf(own, 'query', resolve),
        headers: recordOf(own, 'header', resolve),
        stream: fc.boolean(),
        body,
      });
      const build = (given: Parts): GeneratedRequest => ({
        task: given.task,
        method: method.toUpperCase(),
        path: urlOf(template, given.path, given.query),
        headers: {
          authorization: `Bearer ${token}`,
          ...(given.stream ? { accept: 'text/event-stream' } : {}),
          ...(given.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...mapValues(given.headers, String),
        },
        body: given.body === undefined ? undefined : JSON.stringify(given.body),
      });
      const valid = parts.map(build);
      const broken = fc.oneof(
        fc.tuple(parts, damage).map(([given, change]) => build(change(given))),
        fc.tuple(valid, distortion).map(([request, change]) => ({ ...request, ...change(request) })),
      );
      return { name: `${operationId}: ${method.toUpperCase()} ${template}`, valid, broken };
    }),
  );
}

function recordOf(
  parameters: readonly Parameter[],
  place: Parameter['in'],
  resolve: Resolve,
): fc.Arbitrary<Record<string, unknown>> {
  const those = parameters.filter((parameter) => parameter.in === place);
  const values = those.map(({ name, schema }) => {
    const value = allowedBy(schema, name, resolve);
    // Headers hold no control characters, and HTTP trims what is around them.
    return [name, place === 'header' ? value.map(visible) : value] as const;
  });
  const requiredKeys = those.flatMap(({ name, required }) => (required ? [name] : []));
  return recordWith(Object.fromEntries(values), requiredKeys);
}

function visible(value: unknown): string {
  return String(value).replaceAll(/[^\x21-\x7e]/g, '') || 'x';
}

function urlOf(template: string, path: Record<string, unknown>, query: Record<string, unknown>): string {
  const pathname = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encode(path[name]));
  const search = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`);
  return `${pathname}?${search.join('&')}`;
}

/** Also what encodeURIComponent refuses: half of a surrogate pair. */
function encode(value: unknown): string {
  return encodeURIComponent(textOf(value).toWellFormed()) || 'x';
}

function mapValues<T>(record: Record<string, unknown>, change: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)] as const));
}
