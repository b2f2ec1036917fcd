import { quote } from '../errors.ts';
import { SECRETS } from './child-env.ts';
import type { Variable } from './variables/variable.ts';
import { VARIABLES, type Values } from './variables.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the environment says: the values that could be read, and one line for each that could not. */
export interface Reading {
  values: Partial<Values>;
  problems: string[];
}

/** Reads every variable of the bridge. */
export function readValues(env: Environment): Reading {
  return readTable<Values>(VARIABLES, env);
}

/** Whether every variable has been read; those without a default may be undefined. */
export function isComplete(values: Partial<Values>): values is Values {
  return Object.keys(VARIABLES).every((name) => name in values);
}

/** The name under which a variable is set: its alias where that is set alone. */
export function nameIn(env: Environment, name: keyof Values): string {
  const { alias }: Variable = VARIABLES[name];
  return alias !== undefined && textOf(env, name) === undefined && textOf(env, alias) !== undefined
    ? alias
    : name;
}

/** The trimmed value of a variable; undefined where it is not set, or blank. */
export function textOf(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

type Table<T> = { [N in keyof T]: Variable<T[N]> };

function readTable<T extends object>(
  table: Table<T>,
  env: Environment,
): { values: Partial<T>; problems: string[] } {
  const values: Partial<T> = {};
  const problems: string[] = [];
  for (const name in table) {
    const { schema, alias, fromAlias, default: fallback } = table[name];
    const own = textOf(env, name);
    const other = alias === undefined ? undefined : textOf(env, alias);
    const converted = other !== undefined && fromAlias ? fromAlias(other) : other;
    if (own !== undefined && other !== undefined && own !== converted) {
      problems.push(
        `${name} ${shown(name, own)} and ${alias} ${shown(name, other)} are two names of one variable, and their values differ: set ${name} alone.`,
      );
    }
    const value = own ?? converted ?? fallback;
    const parsed = schema.safeParse(value);
    if (parsed.success) values[name] = parsed.data;
    else
      problems.push(
        `${own === undefined && other !== undefined ? alias : name} ${shown(name, own ?? other ?? fallback)}: ${parsed.error.issues[0]?.message}`,
      );
  }
  return { values, problems };
}

/** OPENCODE_API_KEY is no secret of the bridge: OpenCode gets it. */
const UNQUOTED: ReadonlySet<string> = new Set([...SECRETS, 'OPENCODE_API_KEY']);

/** A value as an error may quote it: no secret, no credentials of a URL. */
function shown(name: string, value = ''): string {
  if (UNQUOTED.has(name)) return '(not shown)';
  return quote(value.replace(/\/\/[^@/]*@/, '//…@'));
}
