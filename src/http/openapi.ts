import { STATUS_CODES } from 'node:http';
import type { z } from 'zod';
import { MEANINGS } from '../api/field-meanings.ts';
import { NAMES } from '../api/inputs.ts';
import { BridgeError, type ErrorCode } from '../errors.ts';
import { VERSION } from '../package.ts';
import { CSRF_HEADER } from './browser-session/browser-sessions.ts';
import { SESSION_COOKIE } from './browser-session/session-cookie.ts';
import type { JsonSchema } from './json-schema.ts';
import { bodyRef, ComponentSchemas, inputFields, SCHEMA_REF } from './openapi-schemas.ts';
import { PROBLEM_TYPE } from './problem.ts';
import { NONE, type Route } from './route.ts';

const ABOUT = `Coding tasks for OpenCode over plain HTTP: hand over, follow, steer, answer, read.

Errors are \`${PROBLEM_TYPE}\` (RFC 9457) with a stable \`code\` and what to do in \`next\`; a method that a path does not have is answered with 405, an unknown path with 404. Each GET route also answers HEAD. Answers may get new fields, and events new kinds. A task belongs to the agent that handed it over: the one that the token is bound to, else \`X-Agent-Id\` or \`agent_id\`; for all others it does not exist. A WebSocket at \`/tasks/{task_id}/stream\` shows a task live and takes commands; OpenAPI has no words for it.`;

interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  description?: string | undefined;
  schema: JsonSchema;
  /** Of a list: separated by commas. */
  style?: 'form';
  explode?: boolean;
}

/** What every request can say. */
const AGENT_PARAMETERS = {
  AgentId: { name: 'agent_id', in: 'query' },
  XAgentId: { name: 'X-Agent-Id', in: 'header' },
} as const;
const AGENT_ID = { type: 'string', minLength: 1, maxLength: 200 } as const;

/** The session of a browser needs both. */
const SESSION_SCHEMES = {
  cookie: {
    type: 'apiKey',
    in: 'cookie',
    name: SESSION_COOKIE,
    description: 'The cookie of POST /session; worth nothing without `csrf`.',
  },
  csrf: {
    type: 'apiKey',
    in: 'header',
    name: CSRF_HEADER,
    description: 'The `csrf_token` of POST /session.',
  },
} as const;

/** Errors of every route. */
const ALWAYS: readonly ErrorCode[] = [
  'INVALID_INPUT',
  'UNAUTHORIZED',
  'AGENT_MISMATCH',
  'FORBIDDEN',
  'RATE_LIMITED',
  'INTERNAL',
];
/** Errors of every route that needs no token and acts for no agent. */
const OPEN: readonly ErrorCode[] = ['INVALID_INPUT', 'FORBIDDEN', 'RATE_LIMITED', 'INTERNAL'];
/** Errors of every route for the operator. */
const OPERATING: readonly ErrorCode[] = [...OPEN, 'UNAUTHORIZED'];
/** Errors of what acts on a task: the engine can fail, and the bridge can be about to stop. */
const ACTING: readonly ErrorCode[] = [
  'ENGINE_UNAVAILABLE',
  'ENGINE_UNAUTHORIZED',
  'ENGINE_NOT_FOUND',
  'ENGINE_ERROR',
  'SHUTTING_DOWN',
];

/** The response headers of an error, by its status. */
const ERROR_HEADERS: Partial<Record<number, Record<string, string>>> = {
  401: { 'WWW-Authenticate': 'The scheme, `Bearer`.' },
  429: { 'Retry-After': 'Seconds after which to try again.' },
  503: { 'Retry-After': 'Seconds after which to try again.' },
};

const OPERATOR_SCHEME = {
  operator: {
    type: 'http',
    scheme: 'bearer',
    description: 'OPERATOR_TOKEN; where it is not set, nobody is let in.',
  },
};

/** The OpenAPI description of the routes. */
export function openApiDocument(routes: readonly Route[]) {
  const components = new ComponentSchemas(routes);
  const operations = (those: readonly Route[]) =>
    Object.fromEntries(those.map((route) => [route.method, operation(route, components)] as const));
  const byPath = [...Map.groupBy(routes, ({ path }) => path)];
  const agent = Object.entries(AGENT_PARAMETERS).map(
    ([id, place]) => [id, { ...place, description: MEANINGS.agent_id, schema: AGENT_ID }] as const,
  );
  const hasSessions = routes.some(({ path }) => path === '/session');
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'letta-opencode-plugin',
      summary: 'The task API',
      description: ABOUT,
      version: VERSION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: hasSessions ? [{ bearer: [] }, { cookie: [], csrf: [] }] : [{ bearer: [] }],
    paths: Object.fromEntries(byPath.map(([path, those]) => [path, operations(those)] as const)),
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of MCP_AUTH_TOKENS; where none is configured, none is needed.',
        },
        ...(routes.some(({ operator }) => operator) && OPERATOR_SCHEME),
        ...(hasSessions && SESSION_SCHEMES),
      },
      parameters: Object.fromEntries(agent),
      schemas: components.schemas,
    },
  };
}

function operation(route: Route, components: ComponentSchemas) {
  const { operationId, summary, about, body, success, open, operator } = route;
  const agent =
    open || operator
      ? []
      : Object.keys(AGENT_PARAMETERS).map((id) => ({ $ref: `#/components/parameters/${id}` }));
  const answers = success.map((one) => [one.status, answer(one, components)] as const);
  return {
    operationId,
    summary,
    ...(about === undefined ? {} : { description: about }),
    ...(open && { security: [] }),
    ...(operator && { security: [{ operator: [] }] }),
    parameters: [...parameters(route), ...agent],
    ...(body === NONE ? {} : { requestBody: requestBody(route) }),
    responses: { ...errorResponses(route), ...Object.fromEntries(answers) },
  };
}

function parameters(route: Route): Parameter[] {
  const headers = Object.entries(route.requestHeaders ?? {});
  return [
    ...fields(route, route.params, 'path'),
    ...fields(route, route.query, 'query'),
    ...headers.map(
      ([name, description]): Parameter => ({ name, in: 'header', description, schema: { type: 'string' } }),
    ),
  ];
}

function fields(route: Route, schema: z.ZodObject, place: 'path' | 'query'): Parameter[] {
  const { properties = {}, required = [] } = inputFields(route, schema);
  return Object.entries(properties).flatMap(([name, property]): Parameter[] => {
    if (typeof property === 'boolean') return [];
    const { description, [NAMES]: names, ...rest } = property;
    const parameter = { name, in: place, required: required.includes(name), description };
    if (!Array.isArray(names)) return [{ ...parameter, schema: rest }];
    const schema = { type: 'array' as const, items: { type: 'string' as const, enum: names } };
    return [{ ...parameter, schema, style: 'form', explode: false }];
  });
}

function requestBody({ operationId, body, needsBody }: Route) {
  // No body is the same as an empty object.
  const required = needsBody ?? !body.safeParse({}).success;
  return { required, content: { 'application/json': { schema: bodyRef(operationId) } } };
}

function answer({ about, content, headers }: Route['success'][number], components: ComponentSchemas) {
  const types = Object.entries(content ?? {}).map(
    ([type, schema]) => [type, mediaType(type, schema, components)] as const,
  );
  return {
    description: about,
    ...(headers && { headers: describedHeaders(headers, false) }),
    ...(types.length > 0 && { content: Object.fromEntries(types) }),
  };
}

/** OpenAPI 3.1 has no words for a stream; `x-data` is the schema of the JSON in each `data`. */
function mediaType(type: string, schema: z.ZodType | null, components: ComponentSchemas) {
  if (!schema) return {};
  if (type !== 'text/event-stream') return { schema: components.refTo(schema) };
  const text = { type: 'string', description: 'Server-sent events; `data` is JSON.' };
  return { schema: text, 'x-data': components.refTo(schema) };
}

function errorResponses(route: Route) {
  const acting = route.method === 'get' ? [] : ACTING;
  const usual = route.open ? OPEN : route.operator ? OPERATING : [...ALWAYS, ...acting];
  const codes = new Set([...usual, ...route.errors]);
  const byStatus = Map.groupBy(codes, (code) => new BridgeError(code, '').httpStatus);
  if (route.body !== NONE) {
    byStatus.set(413, ['PAYLOAD_TOO_LARGE']);
    byStatus.set(415, ['INVALID_INPUT']);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, those]) => [status, problem(status, those)] as const),
  );
}

function problem(status: number, codes: readonly ErrorCode[]) {
  const headers = ERROR_HEADERS[status];
  const schema = {
    allOf: [{ $ref: `${SCHEMA_REF}Problem` }, { properties: { code: { enum: codes } } }],
  };
  return {
    description: `${STATUS_CODES[status]}: ${codes.map((code) => `\`${code}\``).join(', ')}.`,
    ...(headers && { headers: describedHeaders(headers, true) }),
    content: { [PROBLEM_TYPE]: { schema } },
  };
}

function describedHeaders(headers: Record<string, string>, required: boolean) {
  const entries = Object.entries(headers).map(
    ([name, description]) => [name, { description, required, schema: { type: 'string' } }] as const,
  );
  return Object.fromEntries(entries);
}
