import fc from 'fast-check';
import { z } from 'zod';

/** Stands for the id of the task that a request is about. */
export const TASK = 'TASK';
/** Stands for a folder in which tasks may work. */
export const DIRECTORY = 'DIRECTORY';
const TASK_KINDS = ['running', 'asking', 'paused', 'ended', 'foreign', 'unknown'] as const;
const ASKED_OFTEN = [...TASK_KINDS, ...TASK_KINDS.map(() => 'asking' as const)];
export type TaskKind = (typeof TASK_KINDS)[number];

export interface GeneratedRequest {
  /** The state of the task whose id replaces `TASK`. */
  task: TaskKind;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

const schemaShape = z.looseObject({
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
type Schema = z.infer<typeof schemaShape>;

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
  kinds: ['created', 'tool,completed', 'created, tool'],
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
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** Text as attackers write it. */
const nasty = fc.constantFrom(
  '',
  ' ',
  '\0',
  '..',
  '../../etc/passwd',
  '%2e%2e%2f',
  '..\\..',
  "' OR 1=1 --",
  '\ud800',
  '\u202egnp.exe',
  '__proto__',
  'constructor',
  'x'.repeat(5_000),
  '-1',
  '1e309',
  '9007199254740993',
  'null',
  'true',
  '[]',
  '{}',
);

export interface Operation {
  name: string;
  /** Requests as the document allows them. */
  valid: fc.Arbitrary<GeneratedRequest>;
  /** The same with something wrong. */
  broken: fc.Arbitrary<GeneratedRequest>;
}

/** For each operation of an OpenAPI document, requests to it. */
export function operationsOf(document: unknown, authorization: string): Operation[] {
  const { paths, components } = documentShape.parse(document);
  const resolve = (schema: Schema): Schema => {
    const found =
      schema.$ref === undefined ? schema : components.schemas[schema.$ref.split('/').at(-1) ?? ''];
    if (!found) throw new Error(`${schema.$ref} leads nowhere`);
    return found;
  };
  return Object.entries(paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, { operationId, parameters, requestBody }]) => {
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
          authorization,
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

interface Parts {
  task: TaskKind;
  path: Record<string, unknown>;
  query: Record<string, unknown>;
  headers: Record<string, unknown>;
  stream: boolean;
  body: unknown;
}

/** A value of the wrong type, range or name, or one too many or few. */
const damage: fc.Arbitrary<(parts: Parts) => Parts> = fc.oneof(
  fc
    .tuple(fc.constantFrom('path', 'query', 'body'), fc.nat(), fc.oneof(nasty, fc.jsonValue()))
    .map(([where, which, value]) => (parts: Parts) => {
      const fields = Object(parts[where]);
      const names = Object.keys(fields);
      const name = names[which % Math.max(1, names.length)] ?? 'unheard_of';
      // Alone in its segment, two dots would be another path.
      const text = where === 'path' && ['', '.', '..'].includes(textOf(value)) ? '%2e' : value;
      return { ...parts, [where]: { ...fields, [name]: text } };
    }),
  fc
    .tuple(fc.constantFrom('query', 'body'), fc.string(), fc.jsonValue())
    .map(([where, name, value]) => (parts: Parts) => ({
      ...parts,
      [where]: { ...Object(parts[where]), [name]: value },
    })),
  fc.jsonValue().map((body) => (parts: Parts) => ({ ...parts, body })),
);

/** What no part of a request can say: another method, header or encoding. */
const distortion: fc.Arbitrary<(request: GeneratedRequest) => Partial<GeneratedRequest>> = fc.oneof(
  fc.constantFrom(...METHODS).map((method) => () => ({ method })),
  fc
    .constantFrom('', 'Bearer', 'Bearer wrong', 'Basic YTpi', 'Bearer bob-token')
    .map((authorization) => (request: GeneratedRequest) => ({
      headers: { ...request.headers, authorization },
    })),
  fc
    .tuple(
      fc.constantFrom(
        'x-agent-id',
        'idempotency-key',
        'last-event-id',
        'range',
        'if-range',
        'accept',
        'origin',
      ),
      fc.string({ unit: fc.constantFrom(...'aZ09 ,;=*/"\\\t~\u00e9'), maxLength: 300 }),
    )
    .map(([name, value]) => ({ headers }: GeneratedRequest) => ({ headers: { ...headers, [name]: value } })),
  fc
    .constantFrom(
      'text/plain',
      'application/json; charset=latin1',
      'application/json; charset=x',
      'multipart/form-data',
      'x',
    )
    .map((type) => ({ headers }: GeneratedRequest) => ({ headers: { ...headers, 'content-type': type } })),
  fc.constantFrom('gzip', 'br', 'x').map((encoding) => ({ headers }: GeneratedRequest) => ({
    headers: { ...headers, 'content-encoding': encoding },
  })),
  fc
    .oneof(
      fc.constantFrom('{', '[', '"', '{"a":1,}', '\0', '['.repeat(5_000), 'x'.repeat(60_000)),
      fc.string(),
    )
    .map((body) => () => ({ body })),
  fc.string().map((query) => ({ path }: GeneratedRequest) => ({
    path: `${path}&${query.replaceAll('#', '')}`,
  })),
);

function recordOf(
  parameters: readonly Parameter[],
  place: Parameter['in'],
  resolve: (schema: Schema) => Schema,
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

/** Any of the optional fields, or at most two: many exclude each other. */
function recordWith(
  fields: Record<string, fc.Arbitrary<unknown>>,
  requiredKeys: string[],
): fc.Arbitrary<Record<string, unknown>> {
  const optional = Object.keys(fields).filter((key) => !requiredKeys.includes(key));
  const few = fc.subarray(optional, { maxLength: Math.min(2, optional.length) });
  const pick = ([all, chosen]: [Record<string, unknown>, string[]]) =>
    Object.fromEntries(Object.entries(all).filter(([key]) => [...requiredKeys, ...chosen].includes(key)));
  return fc.oneof(fc.record(fields, { requiredKeys }), fc.tuple(fc.record(fields), few).map(pick));
}

function visible(value: unknown): string {
  return String(value).replaceAll(/[^\x21-\x7e]/g, '') || 'x';
}

/** A value that the schema allows. */
function allowedBy(schema: Schema, name: string, resolve: (schema: Schema) => Schema): fc.Arbitrary<unknown> {
  if (schema.type === 'array' || schema.type === 'object') return byType(schema, name, resolve);
  const only = ONLY[name];
  if (only) return fc.constantFrom(...only);
  const other = byType(schema, name, resolve);
  const telling = TELLING[name];
  if (!telling) return other;
  const known = fc.constantFrom<unknown>(...telling);
  return fc.oneof({ weight: 4, arbitrary: known }, { weight: 1, arbitrary: other });
}

function byType(schema: Schema, name: string, resolve: (schema: Schema) => Schema): fc.Arbitrary<unknown> {
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

function urlOf(template: string, path: Record<string, unknown>, query: Record<string, unknown>): string {
  const pathname = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encode(path[name]));
  const search = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`);
  return `${pathname}?${search.join('&')}`;
}

/** Also what encodeURIComponent refuses: half of a surrogate pair. */
function encode(value: unknown): string {
  return encodeURIComponent(textOf(value).toWellFormed()) || 'x';
}

function textOf(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function mapValues<T>(record: Record<string, unknown>, change: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)] as const));
}
