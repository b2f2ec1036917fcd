import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * A part of src is a folder, or a file that lies directly in it. What each may import of the others;
 * `docs/architecture.md` has the same as a picture.
 */
const ARROWS: Record<string, readonly string[]> = {
  index: ['cli', 'version'],
  cli: [
    'app',
    'config',
    'mcp',
    'http',
    'execution',
    'notifications',
    'tasks',
    'scripted-model',
    'loopback',
    'proxy',
    'errors',
    'text',
    'logger',
    'version',
  ],
  app: [
    'config',
    'http',
    'mcp',
    'execution',
    'workspace',
    'notifications',
    'tasks',
    'errors',
    'text',
    'logger',
    'version',
  ],
  http: ['mcp', 'execution', 'tasks', 'loopback', 'errors', 'text', 'logger', 'version'],
  mcp: ['execution', 'tasks', 'errors', 'text', 'logger', 'version'],
  execution: ['tasks', 'matrix-user', 'loopback', 'errors', 'text', 'logger'],
  workspace: ['tasks', 'errors', 'text', 'logger'],
  notifications: ['tasks', 'errors', 'text', 'logger'],
  tasks: ['errors', 'text'],
  config: ['matrix-user', 'loopback', 'errors', 'text', 'logger'],
  'scripted-model': [],
  'matrix-user': [],
  loopback: [],
  proxy: ['loopback'],
  errors: ['text'],
  text: [],
  logger: ['errors'],
  version: [],
};

/** The parts that may import a package; each other package belongs to exactly one part. */
const SHARED: Record<string, readonly string[]> = {
  // Input is parsed where it comes in, and input comes in at every edge.
  zod: Object.keys(ARROWS),
  // The protocol over stdio, over HTTP, and the client of the demo.
  '@modelcontextprotocol/sdk': ['mcp', 'http', 'cli'],
};

/** Node's own modules that only some parts may import. */
const GUARDED: Record<string, readonly string[]> = { 'node:sqlite': ['tasks'], 'node:process': ['config'] };

type Sources = Readonly<Record<string, string>>;

const IMPORT = /\b(?:from|import)\s*\(?\s*(['"])([^'"\n]+)\1/g;
const COMPUTED_IMPORT = /\bimport\s*\(\s*[^'"\s]|\brequire\s*\(/;
const STRING_OR_COMMENT =
  /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
const ENVIRONMENT = /\bprocess\s*(?:\.\s*env\b|\[|\s*;)/;

function importsOf(source: string): string[] {
  return [...source.matchAll(IMPORT)].map(([, , specifier = '']) => specifier);
}

function withoutComments(source: string): string {
  return source.replace(STRING_OR_COMMENT, '$1');
}

/** The first part of a path below src: `tasks/task.ts` → `tasks`, `app.ts` → `app`. */
function partOf(path: string): string {
  return path.split('/')[0]?.replace(/\.ts$/, '') ?? '';
}

function resolveFrom(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier);
}

/** `@scope/name/deep` → `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** Everything in which the sources break a rule, one sentence each. */
function violations(sources: Sources): string[] {
  return [
    ...Object.entries(sources).flatMap(([path, source]) => inOneFile(path, source, sources)),
    ...packagesWithTwoHomes(sources),
    ...cycles(sources),
  ];
}

function inOneFile(path: string, source: string, sources: Sources): string[] {
  const part = partOf(path);
  const allowed = ARROWS[part];
  if (!allowed) return [`${path}: the part ${part} is not in ARROWS`];
  const found: string[] = [];
  if (COMPUTED_IMPORT.test(source)) found.push(`${path}: imports something that cannot be read here`);
  if (part !== 'config' && ENVIRONMENT.test(source)) found.push(`${path}: reads process.env`);
  for (const specifier of importsOf(source)) {
    if (specifier.startsWith('.')) {
      const target = resolveFrom(path, specifier);
      if (!(target in sources)) found.push(`${path}: ${specifier} is not a file of src`);
      else if (partOf(target) !== part && !allowed.includes(partOf(target)))
        found.push(`${path}: ${part} must not import ${partOf(target)}`);
    } else if (GUARDED[specifier] && !GUARDED[specifier].includes(part)) {
      found.push(`${path}: only ${GUARDED[specifier]} may import ${specifier}`);
    }
  }
  return found;
}

function packagesWithTwoHomes(sources: Sources): string[] {
  const homes = new Map<string, Set<string>>();
  for (const [path, source] of Object.entries(sources)) {
    for (const specifier of importsOf(source)) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
      const name = packageOf(specifier);
      homes.set(name, (homes.get(name) ?? new Set()).add(partOf(path)));
    }
  }
  return [...homes].flatMap(([name, parts]) => {
    const allowed = SHARED[name];
    if (!allowed) return parts.size > 1 ? [`${name} is imported by ${[...parts].sort().join(' and ')}`] : [];
    const strangers = [...parts].filter((part) => !allowed.includes(part));
    return strangers.map((part) => `${name} is imported by ${part}`);
  });
}

/** Each file from which a way leads back to itself, with the way. */
function cycles(sources: Sources): string[] {
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      found.push(`cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' → ')}`);
      return;
    }
    if (done.has(path)) return;
    for (const specifier of importsOf(sources[path] ?? '')) {
      const target = specifier.startsWith('.') ? resolveFrom(path, specifier) : '';
      if (target in sources) visit(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of Object.keys(sources)) visit(path, []);
  return found;
}

const root = join(import.meta.dirname, '../src');
const sources: Sources = Object.fromEntries(
  globSync('**/*.ts', { cwd: root }).map((path) => [
    path.split('\\').join('/'),
    withoutComments(readFileSync(join(root, path), 'utf8')),
  ]),
);

describe('the sources', () => {
  it('are found', () => {
    expect(Object.keys(sources)).toEqual(expect.arrayContaining(['index.ts', 'tasks/task.ts']));
    expect(importsOf(sources['index.ts'] ?? '')).toContain('./cli/serve.ts');
  });

  it('are read without their comments', () => {
    const source = "import a from 'a'; // from 'b'\n/* import('c') */ const d = 'http://d';";
    expect(withoutComments(source)).toBe("import a from 'a'; \n const d = 'http://d';");
  });

  it('break no rule', () => {
    expect(violations(sources)).toEqual([]);
  });

  it('have every part that the rules name', () => {
    const parts = new Set(Object.keys(sources).map(partOf));
    expect(Object.keys(ARROWS).filter((part) => !parts.has(part))).toEqual([]);
  });
});

/** The file that is added or replaced, its source, and what is then said. */
const BROKEN: readonly [path: string, source: string, says: string][] = [
  ['tasks/x.ts', "import { y } from '../execution/runner.ts';", 'tasks must not import execution'],
  ['tasks/x.ts', "import { y } from '../logger.ts';", 'tasks must not import logger'],
  [
    'execution/x.ts',
    "import type { Y } from '../workspace/block.ts';",
    'execution must not import workspace',
  ],
  ['workspace/x.ts', "export * from '../execution/runner.ts';", 'workspace must not import execution'],
  ['config/x.ts', "import { y } from '../tasks/task.ts';", 'config must not import tasks'],
  ['http/x.ts', "const y = await import('../app.ts');", 'http must not import app'],
  ['mcp/x.ts', "import {\n  y,\n} from '../config/config.ts';", 'mcp must not import config'],
  ['execution/x.ts', "import '../cli/serve.ts';", 'execution must not import cli'],
  ['app.ts', "import { y } from './scripted-model/server.ts';", 'app must not import scripted-model'],
  ['helpers/x.ts', '', 'the part helpers is not in ARROWS'],
  ['http/x.ts', "import { DatabaseSync } from 'node:sqlite';", 'only tasks may import node:sqlite'],
  ['http/x.ts', "import { env } from 'node:process';", 'only config may import node:process'],
  ['app.ts', 'const home = process.env.HOME;', 'app.ts: reads process.env'],
  ['app.ts', "const home = process['env'].HOME;", 'app.ts: reads process.env'],
  ['app.ts', 'const { env } = process;', 'app.ts: reads process.env'],
  ['app.ts', 'const y = await import(name);', 'imports something that cannot be read here'],
  ['app.ts', "const y = require('pino');", 'imports something that cannot be read here'],
  ['app.ts', "import { y } from './nowhere.ts';", './nowhere.ts is not a file of src'],
  ['http/x.ts', "import { pino } from 'pino';", 'pino is imported by http and logger'],
  [
    'http/x.ts',
    "import { y } from '@opencode-ai/sdk/v2';",
    '@opencode-ai/sdk is imported by execution and http',
  ],
  [
    'execution/x.ts',
    "import { y } from '@modelcontextprotocol/sdk/types.js';",
    '@modelcontextprotocol/sdk is imported by execution',
  ],
  ['errors.ts', "import { y } from './errors.ts';", 'cycle: errors.ts → errors.ts'],
  [
    'tasks/events.ts',
    "import type { Task } from './task.ts';",
    'cycle: tasks/events.ts → tasks/task.ts → tasks/events.ts',
  ],
];

it.each(BROKEN)('%s with %j is refused: %s', (path, source, says) => {
  const found = violations({ ...sources, [path]: source });
  expect(found.filter((line) => line.includes(says) || sameCycle(line, says))).not.toEqual([]);
});

/** A cycle is told from wherever the search entered it. */
function sameCycle(line: string, says: string): boolean {
  const members = (text: string): string =>
    [...new Set(text.replace('cycle: ', '').split(' → '))].sort().join();
  return says.startsWith('cycle: ') && line.startsWith('cycle: ') && members(line) === members(says);
}
