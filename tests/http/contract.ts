import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { z } from 'zod';
import { allRoutes } from '../../src/http/all-routes.ts';
import { openApiDocument } from '../../src/http/openapi.ts';
import { PROBLEM_TYPE } from '../../src/http/problem.ts';

/** What a client got for a request. */
export interface Exchange {
  method: string;
  /** Path and query as they were sent. */
  path: string;
  status: number;
  headers: Headers;
  /** Parsed if it is JSON. */
  body: unknown;
}

const mediaSchema = z.looseObject({ schema: z.unknown().optional(), 'x-data': z.unknown().optional() });
const responseSchema = z.object({
  headers: z.record(z.string(), z.object({ required: z.boolean() })).default({}),
  content: z.record(z.string(), mediaSchema).default({}),
});
const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.record(z.string(), z.looseObject({ responses: z.record(z.string(), responseSchema) })),
  ),
});

const DOCUMENT = openApiDocument(allRoutes());
const { paths } = documentSchema.parse(DOCUMENT);
const KEY = 'openapi.json';
// Ajv does not know the keywords that OpenAPI adds.
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema({ ...DOCUMENT, components: { ...DOCUMENT.components, schemas: closed() } }, KEY);

/** In what an answer departs from the OpenAPI document; empty if it conforms. */
export function departures(exchange: Exchange): string[] {
  const { method, path, status, headers, body } = exchange;
  const said = `${method} ${path} → ${status}`;
  const found = operationOf(method, path);
  const type = mediaTypeOf(headers);
  if (!found) return method === 'OPTIONS' && status === 204 ? [] : outside(said, exchange, type);
  const response = found.responses[status];
  if (!response) return [`${said}: the status is not in the document`];
  const missing = Object.entries(response.headers).flatMap(([name, { required }]) =>
    required && !headers.has(name) ? [name] : [],
  );
  const types = Object.keys(response.content);
  if (missing.length > 0) return [`${said}: without ${missing.join(', ')}`];
  if (method === 'HEAD' || types.length === 0) return body === '' ? [] : [`${said}: has a body`];
  const media = types.find((it) => it === type || it === '*/*');
  if (media === undefined) return [`${said}: ${type} is not ${types.join(' or ')}`];
  if (response.content[media]?.schema === undefined) return [];
  return errors(said, [...found.pointer, 'responses', `${status}`, 'content', media, 'schema'], body);
}

/** The same of one event of a stream. */
export function streamDepartures(path: string, data: unknown): string[] {
  const found = operationOf('GET', path);
  if (!found) return [`GET ${path} is not in the document`];
  return errors(
    `GET ${path}`,
    [...found.pointer, 'responses', '200', 'content', 'text/event-stream', 'x-data'],
    data,
  );
}

/** A guard may refuse any request, and a path or method that is not in the document is always refused. */
function outside(said: string, { body, status }: Exchange, type: string): string[] {
  if (![400, 401, 403, 404, 405, 429].includes(status)) return [`${said}: the document has no such request`];
  if (type !== PROBLEM_TYPE) return [`${said}: ${type} is not ${PROBLEM_TYPE}`];
  return body === '' ? [] : errors(said, ['components', 'schemas', 'Problem'], body);
}

function operationOf(method: string, path: string) {
  const verb = method === 'HEAD' ? 'get' : method.toLowerCase();
  const { pathname } = new URL(path, 'http://bridge');
  const [found] = Object.entries(paths)
    .filter(([template, operations]) => operations[verb] && patternOf(template).test(pathname))
    // The more exact one; the router ignores a slash at the end.
    .sort(([a], [b]) => parametersOf(a) - parametersOf(b));
  const operation = found?.[1][verb];
  return found && operation && { responses: operation.responses, pointer: ['paths', found[0], verb] };
}

function patternOf(template: string): RegExp {
  const pattern = template.replace('{path}', '.+').replaceAll(/\{\w+\}/g, '[^/]+');
  return new RegExp(`^${pattern}/?$`);
}

function parametersOf(template: string): number {
  return template.split('{').length - 1;
}

function mediaTypeOf(headers: Headers): string {
  return headers.get('content-type')?.split(';')[0] ?? 'no content type';
}

function errors(said: string, pointer: readonly string[], value: unknown): string[] {
  const validate = validatorOf(pointer);
  if (validate(value)) return [];
  const found = validate.errors?.map(
    ({ instancePath, message, params }) => `${instancePath || '/'} ${message} ${JSON.stringify(params)}`,
  );
  return [`${said}: ${found?.slice(0, 5).join('; ')}: ${JSON.stringify(value).slice(0, 500)}`];
}

function validatorOf(pointer: readonly string[]): ValidateFunction {
  const escaped = pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')));
  const validate = ajv.getSchema(`${KEY}#/${escaped.join('/')}`);
  if (!validate) throw new Error(`the document has no ${pointer.join(' ')}`);
  return validate;
}

/** The components, without room for fields that they do not name: what the bridge itself sends has none. */
function closed(): unknown {
  const close = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(close);
    if (typeof value !== 'object' || value === null) return value;
    const inner = Object.fromEntries(Object.entries(value).map(([key, it]) => [key, close(it)]));
    return 'properties' in inner && !('additionalProperties' in inner)
      ? { ...inner, additionalProperties: false }
      : inner;
  };
  return close(DOCUMENT.components.schemas);
}
