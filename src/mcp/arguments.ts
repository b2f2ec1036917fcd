import type { z } from 'zod';
import { BridgeError, quote } from '../errors.ts';

/** A tool's arguments as its schema has them. Throws INVALID_INPUT with everything that is wrong at once. */
export function parseArguments<S extends z.ZodObject>(
  tool: string,
  schema: S,
  args: Record<string, unknown>,
): z.output<S> {
  const parsed = schema.safeParse(args);
  if (parsed.success) return parsed.data;
  const parameters = Object.keys(schema.shape);
  const problems = parsed.error.issues.flatMap((issue) => problemsOf(issue, args, tool, parameters));
  throw new BridgeError('INVALID_INPUT', problems.join(' '));
}

function problemsOf(
  issue: z.core.$ZodIssue,
  args: Record<string, unknown>,
  tool: string,
  parameters: readonly string[],
): string[] {
  const value = valueAt(args, issue.path);
  const name = `\`${issue.path.join('.')}\``;
  if (issue.code === 'unrecognized_keys') {
    const takes = parameters.length > 0 ? `takes ${parameters.join(', ')}` : 'takes no parameters';
    return issue.keys.map((key) => `\`${key}\` is not a parameter; ${tool} ${takes}.`);
  }
  if (value === undefined) return [`${name} is missing.`];
  return [`${name} ${quote(value)} ${complaint(issue, value)}.`];
}

function complaint(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return `is not ${TYPES[issue.expected] ?? `of type ${issue.expected}`}`;
    case 'invalid_value':
      return `is not one of ${issue.values.join(', ')}`;
    case 'too_small':
      if (issue.origin === 'string') return 'is empty';
      return issue.origin === 'array' ? 'has no items' : `is less than ${issue.minimum}`;
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

function valueAt(args: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    args,
  );
}
