import { z } from 'zod';
import { allRoutes } from '../src/http/all-routes.ts';
import { openApiDocument } from '../src/http/openapi.ts';
import { CLOSE_CODES } from '../src/http/websocket/close-codes.ts';
import { TASK_STATUSES } from '../src/tasks/task.ts';
import { API_EXAMPLES } from './api-examples.ts';
import { GENERAL, TROUBLES } from './api-general.ts';
import { code, fields, NOTE, table, typeOf } from './markdown.ts';

const JSON_TYPE = 'application/json';

const refSchema = z.object({ $ref: z.string() });
const parameterSchema = z.object({
  name: z.string(),
  in: z.string(),
  required: z.boolean().default(false),
  description: z.string().default(''),
  schema: z.looseObject({ default: z.unknown().optional() }),
});
const responseSchema = z.object({
  description: z.string(),
  headers: z.record(z.string(), z.object({ description: z.string() })).default({}),
  content: z.record(z.string(), z.object({ schema: z.unknown().optional() })).default({}),
});
const operationSchema = z.object({
  operationId: z.string(),
  summary: z.string(),
  description: z.string().default(''),
  parameters: z.array(z.union([parameterSchema, refSchema])),
  requestBody: z.object({ content: z.object({ [JSON_TYPE]: z.object({ schema: refSchema }) }) }).optional(),
  responses: z.record(z.string(), responseSchema),
  /** Empty if it needs no token; absent: a token of MCP_AUTH_TOKENS. */
  security: z.array(z.object({ operator: z.tuple([]) })).optional(),
});
type Operation = z.infer<typeof operationSchema>;

const ALL_ROUTES = allRoutes();
const DOCUMENT = openApiDocument(ALL_ROUTES);
const SHAPES: Readonly<Record<string, unknown>> = DOCUMENT.components.schemas;
const OPERATIONS = ALL_ROUTES.map((route) => ({
  route,
  title: `${route.method.toUpperCase()} ${route.path}`,
  operation: operationSchema.parse(DOCUMENT.paths[route.path]?.[route.method]),
}));
/** The errors of every route and of every body, which the general part lists. */
const GENERAL_ERRORS = ['400', '401', '413', '415', '500', '502', '503'];

/** The task API: what is true of all routes, each route, the shapes that several have. */
export function apiPage(): string {
  const overview = OPERATIONS.map(({ title, operation }) => [
    `[${code(title)}](#${anchor(title)})`,
    operation.summary,
  ]);
  const shapes = Object.keys(SHAPES).filter((name) => !isOwn(name) && !name.endsWith('Event'));
  const closes = Object.values(CLOSE_CODES).map((it) => [String(it.code), it.about]);
  const parts = [
    NOTE,
    '# Task API',
    'Everything that a tool can do, a plain HTTP client can do too, with the same tasks, events and rules. `GET /openapi.json` describes the same as OpenAPI 3.1 and needs no token. Clients can be generated from it, for example with `npx openapi-typescript http://127.0.0.1:3500/openapi.json -o bridge.ts`.',
    table(['route', 'purpose'], overview),
    ...GENERAL,
    '## WebSocket',
    'A WebSocket at `/tasks/{task_id}/stream` shows a task live and takes commands: [WebSocket](websocket.md). The bridge closes it with one of these codes:',
    table(['code', 'reason'], closes),
    '## If something fails',
    table(['answer', 'reason', 'what to do'], [...TROUBLES]),
    ...OPERATIONS.flatMap(section),
    '## Shapes',
    'A star marks fields that are always present. Later versions may add fields; clients must ignore those that they do not know.',
    '### Status',
    `A task is ${TASK_STATUSES.map(code).join(', ')}. The last four are final.`,
    ...shapes.flatMap((name) => [`### ${name}`, fieldTable('field', SHAPES[name])]),
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

function section({ title, operation }: (typeof OPERATIONS)[number]): string[] {
  const { summary, description } = operation;
  return [
    `## ${title}`,
    `**${summary}.** ${description}`.trim(),
    example(title, operation),
    inputs(operation),
    ...answers(operation),
  ];
}

function inputs({ parameters, requestBody }: Operation): string {
  const own = parameters.flatMap((parameter) => ('$ref' in parameter ? [] : [parameter]));
  const rows = own.map(({ name, in: place, required, description, schema }) => {
    const fallback = schema.default === undefined ? '' : ` Default ${code(JSON.stringify(schema.default))}.`;
    return [`${code(name)}${required ? '*' : ''}`, place, typeOf(schema, link), `${description}${fallback}`];
  });
  const body = requestBody ? fields(shapeOf(requestBody.content[JSON_TYPE].schema), undefined, link) : [];
  const all = [...rows, ...body.map(([name = '', ...rest]) => [name, 'body', ...rest])];
  return all.length === 0 ? '' : table(['input', 'in', 'type', 'meaning'], all);
}

/** What it answers with, then the errors that not every route has. */
function answers({ responses }: Operation): string[] {
  const successes = Object.entries(responses).filter(([status]) => Number(status) < 400);
  const errors = Object.entries(responses).filter(([status]) => Number(status) >= 400);
  const lines = successes.map(([status, { description, headers, content }]) => {
    const types = Object.keys(content).map((type) => (type === '*/*' ? 'the type of the file' : code(type)));
    const shown = Object.entries(headers).map(([name, about]) => `${code(name)}: ${about.description}`);
    return [status, types.join(' or '), [description, ...shown].join(' ')];
  });
  const shape = successes.flatMap(
    ([, { content }]) => refSchema.safeParse(content[JSON_TYPE]?.schema).data ?? [],
  );
  const special = errors
    .filter(([status]) => !GENERAL_ERRORS.includes(status))
    .map(([status, { description }]) => `${status} ${description.replace(/^.*?: /, '').replace(/\.$/, '')}`)
    .filter(
      (error) =>
        !['403 `AGENT_MISMATCH`, `FORBIDDEN`', '403 `FORBIDDEN`', '429 `RATE_LIMITED`'].includes(error),
    );
  return [
    table(['answer', 'content', 'meaning'], lines),
    ...shape.map((ref) =>
      isOwn(nameOf(ref)) ? fieldTable('answer', shapeOf(ref)) : `JSON: ${link(nameOf(ref))}.`,
    ),
    special.length === 0 ? '' : `Errors: ${special.join('; ')}.`,
  ];
}

/** A call with what the operation requires, or with what makes it telling. */
function example(title: string, { operationId, requestBody, security }: Operation): string {
  const {
    query = '',
    headers = [],
    body = requiredOf(requestBody),
    options = '',
  } = API_EXAMPLES[operationId] ?? {};
  const [method = '', path = ''] = title.split(' ');
  const url = path
    .replace('{path}', 'hello.py')
    .replaceAll(/\{(\w+?)(_id)?\}/g, (_, name: string) => `$${name.toUpperCase()}`);
  const hasBody = requestBody !== undefined && Object.keys(body).length > 0;
  const lines = [
    `curl -s ${options && `${options} `}${method === 'GET' ? '' : `-X ${method} `}"$BRIDGE${url}${query}"`,
    ...(security?.length === 0
      ? []
      : [`-H "Authorization: Bearer ${security ? '$OPERATOR_TOKEN' : '$TOKEN'}"`]),
    ...headers.map((header) => `-H '${header}'`),
    ...(hasBody ? [`-H 'Content-Type: ${JSON_TYPE}'`, `-d ${quoted(JSON.stringify(body))}`] : []),
  ];
  return `\`\`\`sh\n${lines.join(' \\\n  ')}\n\`\`\``;
}

/** For the shell: in double quotes if it has a variable. */
function quoted(text: string): string {
  return text.includes('$') ? `"${text.replaceAll('"', '\\"')}"` : `'${text}'`;
}

/** The required fields of a body, as variables of the shell. */
function requiredOf(requestBody: Operation['requestBody']): Record<string, string> {
  if (!requestBody) return {};
  const { required = [] } = z
    .object({ required: z.array(z.string()).optional() })
    .parse(shapeOf(requestBody.content[JSON_TYPE].schema));
  return Object.fromEntries(
    required.map((name) => [name, `$${name.replace(/_id$/, '').toUpperCase()}`] as const),
  );
}

function fieldTable(head: string, shape: unknown): string {
  return table([head, 'type', 'meaning'], fields(shape, undefined, link));
}

function link(name: string): string {
  return name === 'Event' ? '[event](events.md#kinds)' : `[${name}](#${name.toLowerCase()})`;
}

function shapeOf(ref: z.infer<typeof refSchema>): unknown {
  return SHAPES[nameOf(ref)];
}

function nameOf({ $ref }: z.infer<typeof refSchema>): string {
  return $ref.split('/').at(-1) ?? '';
}

/** Whether only one operation has it: it is described there. */
function isOwn(name: string): boolean {
  return /(Answer|Body)$/.test(name);
}

/** As GitHub makes it from a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}
