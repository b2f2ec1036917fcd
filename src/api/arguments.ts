import { z } from 'zod';
import { BridgeError, quote } from '../errors.ts';
import { nearMiss } from './near-miss.ts';

/** How many problems one error names, and how many unknown parameters among them. */
const MAX_PROBLEMS = 10;
const MAX_UNKNOWN = 5;
/** Parameters whose values no error quotes. */
const SECRETS: ReadonlySet<PropertyKey> = new Set(['token', 'api_key']);

/** Parses arguments with a schema. Throws INVALID_INPUT with all problems at once; `tool` is the name in its text. */
export function parseArguments<S extends z.ZodObject>(
  tool: string,
  schema: S,
  args: Record<string, unknown>,
): z.output<S> {
  const parsed = schema.safeParse(args);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const problems = issues.slice(0, MAX_PROBLEMS).flatMap((issue) => problemsOf(issue, args, tool, schema));
  if (issues.length > MAX_PROBLEMS) problems.push(`So are ${issues.length - MAX_PROBLEMS} more values.`);
  throw new BridgeError('INVALID_INPUT', problems.join(' '));
}

function problemsOf(
  issue: z.core.$ZodIssue,
  args: Record<string, unknown>,
  tool: string,
  schema: z.ZodObject,
): string[] {
  const value = valueAt(args, issue.path);
  const name = `\`${issue.path.join('.')}\``;
  if (issue.code === 'unrecognized_keys') {
    const taker = issue.path.length > 0 ? name : tool;
    const parameters = fieldsAt(schema, issue.path);
    const takes = parameters.length > 0 ? `takes ${parameters.join(', ')}` : 'takes no parameters';
    const named = issue.keys.slice(0, MAX_UNKNOWN).map((key) => {
      const meant = nearMiss(key, parameters);
      const question = meant === undefined ? '' : ` Did you mean \`${meant}\`?`;
      return `\`${quote(key).replace(/^"|"$/g, '')}\` is not a parameter; ${taker} ${takes}.${question}`;
    });
    const more = issue.keys.length - named.length;
    return more > 0 ? [...named, `${more} more are none either.`] : named;
  }
  if (value === undefined) return [`${name} is missing.`];
  const shown = SECRETS.has(issue.path[0] ?? '') ? '(not shown)' : quote(value);
  return [`${name} ${shown} ${complaint(issue, value)}.`];
}

function complaint(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return `is not ${TYPES[issue.expected] ?? `of type ${issue.expected}`}`;
    case 'invalid_value':
      return `is not one of ${issue.values.join(', ')}`;
    case 'too_small':
      if (issue.origin === 'string') return 'is empty';
      if (issue.origin === 'array') return 'has no items';
      return issue.inclusive === false
        ? `is not more than ${issue.minimum}`
        : `is less than ${issue.minimum}`;
    case 'too_big':
      if (typeof value === 'string')
        return `has ${value.length} characters, at most ${issue.maximum} are taken`;
      if (Array.isArray(value)) return `has ${value.length} items, at most ${issue.maximum} are taken`;
      return `is more than ${issue.maximum}`;
    case 'invalid_union':
      return 'is not of an accepted form';
    default:
      return issue.message.replace(/\.$/, '');
  }
}

const TYPES: Partial<Record<string, string>> = {
  string: 'a string',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

/** The names of the fields of the object at the path. */
function fieldsAt(schema: unknown, path: readonly PropertyKey[]): string[] {
  if (schema instanceof z.ZodOptional) return fieldsAt(schema.unwrap(), path);
  if (!(schema instanceof z.ZodObject)) return [];
  const [first, ...rest] = path;
  return first === undefined ? Object.keys(schema.shape) : fieldsAt(Reflect.get(schema.shape, first), rest);
}

function valueAt(args: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    args,
  );
}
