import { quote } from '../errors.ts';
import type { Environment } from './read.ts';
import { isVariable } from './variables.ts';

const QUOTES = /^["'`\u2018\u2019\u201c\u201d]/;
/** May contain what looks like a comment; tokens have their own rule. */
const MAY_CONTAIN_HASH: ReadonlySet<string> = new Set([
  'MCP_AUTH_TOKENS',
  'OPENCODE_SERVER_PASSWORD',
  'OPENCODE_API_KEY',
  'LETTA_API_TOKEN',
  'MATRIX_ACCESS_TOKEN',
]);

/** Whether a variable configures the bridge or its OpenCode. */
export function isOurs(name: string): boolean {
  return isVariable(name) || name.endsWith('_API_KEY');
}

/**
 * Signs that a file of variables was misread: a name after a byte order mark, quotes and comments as part of a value,
 * one variable inside another. Texts never quote values.
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
    const next = 'save its file (.env) as UTF-8 without one';
    return [`${plain} comes after a byte order mark and is not read: ${next}.`];
  }
  return isOurs(plain) ? [`${plain} is set as ${quote(name)} and is not read: write only the name.`] : [];
}

function valueFaults(name: string, env: Environment): string[] {
  const value = env[name]?.trim() ?? '';
  const faults: string[] = [];
  const [, lost] = /\n(?:export )?([A-Z_]+)=/.exec(value) ?? [];
  if (!isVariable(name)) {
    if (lost === undefined || !isOurs(lost) || env[lost] !== undefined) return [];
    return [
      `${lost} is part of the value of ${quote(name)} and is not read: is a quote before it not closed?`,
    ];
  }
  if (QUOTES.test(value))
    faults.push(`${name} begins with a quote, which is part of the value: remove the quotes.`);
  if (value.includes('\n')) faults.push(`${name} has more than one line: is a quote not closed?`);
  else if (/\s#/.test(value) && !MAY_CONTAIN_HASH.has(name))
    faults.push(`${name} has a "#" after a blank: write comments on their own lines.`);
  return faults;
}
