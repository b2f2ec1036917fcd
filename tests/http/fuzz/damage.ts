import fc from 'fast-check';

/** The states in which the task of a request can be. */
export const TASK_KINDS = ['running', 'asking', 'paused', 'ended', 'foreign', 'unknown'] as const;
export type TaskKind = (typeof TASK_KINDS)[number];

export interface GeneratedRequest {
  /** The state of the task whose id replaces `TASK`. */
  task: TaskKind;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

/** A request before it is written down. */
export interface Parts {
  task: TaskKind;
  path: Record<string, unknown>;
  query: Record<string, unknown>;
  headers: Record<string, unknown>;
  stream: boolean;
  body: unknown;
}

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

/** A value of the wrong type, range or name, or one too many or few. */
export const damage: fc.Arbitrary<(parts: Parts) => Parts> = fc.oneof(
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
export const distortion: fc.Arbitrary<(request: GeneratedRequest) => Partial<GeneratedRequest>> = fc.oneof(
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

/** A value in a URL; a list has commas between its items. */
export function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
