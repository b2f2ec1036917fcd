import { quote } from '../errors.ts';
import type { Environment } from './read.ts';
import { isVariable } from './variables.ts';

const QUOTES = /^["'`\u2018\u2019\u201c\u201d]/;
/** May hold what looks like a comment; tokens have a rule of their own. */
const FREE: ReadonlySet<string> = new Set([
  'MCP_AUTH_TOKENS',
  'OPENCODE_SERVER_PASSWORD',
  'LETTA_API_TOKEN',
  'MATRIX_ACCESS_TOKEN',
]);

/** Whether the bridge, or the OpenCode that it starts, is configured by a variable. */
export function isOurs(name: string): boolean {
  return isVariable(name) || name.endsWith('_API_KEY');
}

/**
 * What whoever read a file of variables has made of it other than was meant: a name behind a byte order mark, quotes
 * and comments as part of a value, one variable inside another. Values are never quoted.
 */
export function environmentFaults(env: Environment): string[] {
  return [
    ...Object.keys(env).flatMap(nameFaults),
    ...Object.keys(env).flatMap((name) => valueFaults(name, env)),
  ];
}

function nameFaults(name: string): string[] {
  const plain = name
    .replace(/^\uFEFF/, '')
    .replace(/^\s*export\s+/, '')
    .trim();
  if (plain === name || !/^[A-Za-z_]\w*$/.test(plain)) return [];
  if (name.startsWith('\uFEFF')) {
    const next = 'save the file that it comes from (.env) as UTF-8 without one';
    return [`${plain} stands behind a byte order mark and does not count: ${next}.`];
  }
  return isOurs(plain)
    ? [`${plain} is there as ${quote(name)} and does not count: write the name alone.`]
    : [];
}

function valueFaults(name: string, env: Environment): string[] {
  const value = env[name]?.trim() ?? '';
  const faults: string[] = [];
  const [, lost] = /\n(?:export )?([A-Z_]+)=/.exec(value) ?? [];
  if (!isVariable(name)) {
    if (lost === undefined || !isOurs(lost) || env[lost] !== undefined) return [];
    return [`${lost} stands inside of ${quote(name)} and does not count: is a quote before it not closed?`];
  }
  if (QUOTES.test(value))
    faults.push(`${name} begins with a quote, which counts as part of it: leave quotes out.`);
  if (value.includes('\n')) faults.push(`${name} has more than one line: is a quote not closed?`);
  else if (/\s#/.test(value) && !FREE.has(name))
    faults.push(`${name} has a "#" behind a blank: comments belong on lines of their own.`);
  return faults;
}
