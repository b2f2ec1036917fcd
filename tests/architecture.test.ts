import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * A room of src is a folder of ROOMS, or else the first folder or file of a path. What each may import of the others;
 * `docs/architecture.md` has the same as a picture.
 */
const ROOMS = [
  'cli/doctor',
  'runners/opencode-protocol',
  'runners/opencode-server',
  'runners/docker',
  'runners/shell',
  'store/sqlite',
  'notifications/letta',
  'notifications/matrix',
  'notifications/webhook',
];

/** What every room may import: they know nothing of the product. */
const FOUNDATION = [
  'errors',
  'delivery-error',
  'health',
  'text',
  'logger',
  'package',
  'clock',
  'loopback',
  'session-notice',
  'keyed-queue',
  'serial-queue',
];

const ARROWS: Record<string, readonly string[]> = {
  index: ['cli'],
  cli: [
    'cli/doctor',
    'app',
    'config',
    'mcp',
    'runners/opencode-server',
    'runners/docker',
    'runners/shell',
    'store',
    'proxy',
  ],
  'cli/doctor': [
    'app',
    'config',
    'runners/opencode-protocol',
    'runners/opencode-server',
    'runners/docker',
    'runners/shell',
    'notifications/letta',
    'notifications/webhook',
    'matrix',
    'store/sqlite',
  ],
  app: [
    'config',
    'http',
    'mcp',
    'api',
    'execution',
    'runners',
    'runners/opencode-protocol',
    'runners/opencode-server',
    'runners/docker',
    'runners/shell',
    'workspaces',
    'store',
    'store/sqlite',
    'memory',
    'metrics',
    'tracing',
    'provider-keys',
    'credential-proxy',
    'proxy',
    'notifications',
    'notifications/letta',
    'notifications/matrix',
    'notifications/webhook',
    'matrix',
    'tasks',
  ],
  http: ['mcp', 'api', 'provider-keys', 'store', 'tasks'],
  'provider-keys': ['store'],
  'credential-proxy': ['provider-keys', 'store', 'tasks', 'proxy'],
  metrics: ['store', 'tasks'],
  tracing: ['store', 'tasks'],
  mcp: ['api', 'tasks'],
  api: ['execution', 'workspaces', 'matrix', 'tasks'],
  execution: ['runners', 'workspaces', 'store', 'tasks'],
  runners: ['tasks'],
  'runners/opencode-protocol': ['runners', 'tasks'],
  'runners/shell': ['runners', 'workspaces', 'tasks'],
  'runners/opencode-server': ['runners', 'runners/opencode-protocol', 'runners/shell', 'tasks'],
  'runners/docker': ['runners', 'runners/opencode-protocol', 'workspaces', 'tasks'],
  workspaces: ['store', 'tasks'],
  store: ['tasks'],
  'store/sqlite': ['store', 'tasks'],
  memory: ['store', 'tasks'],
  notifications: ['store', 'tasks'],
  'notifications/letta': ['notifications', 'tasks'],
  'notifications/matrix': ['notifications', 'matrix', 'tasks'],
  'notifications/webhook': ['notifications', 'tasks', 'proxy'],
  matrix: ['store', 'tasks'],
  config: ['matrix'],
  tasks: [],
  proxy: [],
  web: ['http', 'api', 'tasks'],
};

/** Rooms that run elsewhere: what they import of other rooms is types, which are erased. */
const TYPES_ONLY = ['web'];

/** The first folders that may import a package; each other package belongs to exactly one. */
const SHARED: Record<string, readonly string[]> = {
  // Input is parsed where it comes in, and input comes in at every edge.
  zod: [...Object.keys(ARROWS), ...FOUNDATION].map(firstOf),
  // The protocol over stdio, over HTTP, and the client of the demo.
  '@modelcontextprotocol/sdk': ['mcp', 'http', 'cli'],
};

/** Node's own modules that only some rooms may import. */
const GUARDED: Record<string, readonly string[]> = {
  'node:sqlite': ['store/sqlite'],
  'node:process': ['config'],
};

type Sources = Readonly<Record<string, string>>;

const IMPORT = /\b(?:from|import)\s*\(?\s*(['"])([^'"\n]+)\1/g;
const COMPUTED_IMPORT = /\bimport\s*\(\s*[^'"\s]|\brequire\s*\(/;
const STRING_OR_COMMENT =
  /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
const ENVIRONMENT = /\bprocess\s*(?:\.\s*env\b|\[|\s*;)/;

function importsOf(source: string): string[] {
  return [...source.matchAll(IMPORT)].map(([, , specifier = '']) => specifier);
}

/** The specifiers of imports that remain when types are erased. */
function valueImportsOf(source: string): string[] {
  return importsOf(source.replaceAll(/\b(?:import|export)\s+type\b[^;]*;/g, ''));
}

function withoutComments(source: string): string {
  return source.replace(STRING_OR_COMMENT, '$1');
}

/** The room of a path below src: `tasks/task.ts` → `tasks`, `store/sqlite/schema.ts` → `store/sqlite`. */
function roomOf(path: string): string {
  const inner = ROOMS.find((room) => path.startsWith(`${room}/`));
  return inner ?? firstOf(path);
}

/** The first folder or file of a path below src: `runners/docker/lines.ts` → `runners`. */
function firstOf(path: string): string {
  return path.split('/')[0]?.replace(/\.tsx?$/, '') ?? '';
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
  const room = roomOf(path);
  const allowed = ARROWS[room] ?? (FOUNDATION.includes(room) ? FOUNDATION : undefined);
  if (!allowed) return [`${path}: the room ${room} is not in ARROWS`];
  const found: string[] = [];
  const values = valueImportsOf(source);
  if (COMPUTED_IMPORT.test(source)) found.push(`${path}: imports something that cannot be read here`);
  if (room !== 'config' && ENVIRONMENT.test(source)) found.push(`${path}: reads process.env`);
  for (const specifier of importsOf(source)) {
    if (specifier.startsWith('.')) {
      const target = resolveFrom(path, specifier);
      if (!(target in sources)) found.push(`${path}: ${specifier} is not a file of src`);
      else if (!mayImport(room, roomOf(target), allowed))
        found.push(`${path}: ${room} must not import ${roomOf(target)}`);
      else if (TYPES_ONLY.includes(room) && room !== roomOf(target) && values.includes(specifier))
        found.push(`${path}: ${room} may import only types of ${roomOf(target)}`);
    } else if (specifier.startsWith('node:') && TYPES_ONLY.includes(room)) {
      found.push(`${path}: ${room} does not run in Node`);
    } else if (GUARDED[specifier] && !GUARDED[specifier].includes(room)) {
      found.push(`${path}: only ${GUARDED[specifier]} may import ${specifier}`);
    }
  }
  return found;
}

function mayImport(room: string, target: string, allowed: readonly string[]): boolean {
  return target === room || FOUNDATION.includes(target) || allowed.includes(target);
}

function packagesWithTwoHomes(sources: Sources): string[] {
  const homes = new Map<string, Set<string>>();
  for (const [path, source] of Object.entries(sources)) {
    for (const specifier of importsOf(source)) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
      const name = packageOf(specifier);
      homes.set(name, (homes.get(name) ?? new Set()).add(firstOf(path)));
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
  globSync('**/*.{ts,tsx,css,svg}', { cwd: root }).map((path) => [
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

  it('let only the MCP endpoint of http import mcp', () => {
    const importing = Object.entries(sources).flatMap(([path, source]) => {
      const targets = importsOf(source).map((specifier) => roomOf(resolveFrom(path, specifier)));
      return roomOf(path) === 'http' && targets.includes('mcp') ? [path] : [];
    });
    expect(importing.sort()).toEqual([
      'http/http-connection.ts',
      'http/mcp-endpoint.ts',
      'http/modern-endpoint.ts',
      'http/sessions.ts',
    ]);
  });

  it('load the SDK of the newer MCP revision at the first request that needs it', () => {
    const modern = (path: string): boolean => path.startsWith('mcp/modern/');
    const importing = Object.entries(sources).flatMap(([path, source]) => {
      const values = source.matchAll(/^import (?!type\b)[^;]*?from '([^']+)';/gm);
      const targets = [...values].map(([, specifier = '']) => specifier);
      const loads = targets.some((target) => target.startsWith('.') && modern(resolveFrom(path, target)));
      return (loads || targets.includes('@modelcontextprotocol/server')) && !modern(path) ? [path] : [];
    });
    expect(importing).toEqual([]);
    expect(sources['http/modern-endpoint.ts']).toContain("import('../mcp/modern/handler.ts')");
  });

  it('have every room that the rules name', () => {
    const rooms = new Set(Object.keys(sources).map(roomOf));
    expect([...Object.keys(ARROWS), ...FOUNDATION].filter((room) => !rooms.has(room))).toEqual([]);
  });
});

/** The file that is added or replaced, its source, and what is then said. */
const BROKEN: readonly [path: string, source: string, says: string][] = [
  ['tasks/x.ts', "import { y } from '../execution/queue.ts';", 'tasks must not import execution'],
  ['store/x.ts', "import { y } from './sqlite/schema.ts';", 'store must not import store/sqlite'],
  ['execution/x.ts', "import type { Y } from '../memory/block.ts';", 'execution must not import memory'],
  ['memory/x.ts', "export * from '../execution/queue.ts';", 'memory must not import execution'],
  ['config/x.ts', "import { y } from '../tasks/task.ts';", 'config must not import tasks'],
  ['http/x.ts', "const y = await import('../app/app.ts');", 'http must not import app'],
  ['mcp/x.ts', "import {\n  y,\n} from '../config/config.ts';", 'mcp must not import config'],
  ['execution/x.ts', "import '../cli/serve.ts';", 'execution must not import cli'],
  ['app/x.ts', "import { y } from '../cli/serve.ts';", 'app must not import cli'],
  ['cli/x.ts', "import { y } from '../store/sqlite/database.ts';", 'cli must not import store/sqlite'],
  ['helpers/x.ts', '', 'the room helpers is not in ARROWS'],
  ['http/x.ts', "import { DatabaseSync } from 'node:sqlite';", 'only store/sqlite may import node:sqlite'],
  ['http/x.ts', "import { env } from 'node:process';", 'only config may import node:process'],
  ['app/app.ts', 'const home = process.env.HOME;', 'app/app.ts: reads process.env'],
  ['app/app.ts', "const home = process['env'].HOME;", 'app/app.ts: reads process.env'],
  ['app/app.ts', 'const { env } = process;', 'app/app.ts: reads process.env'],
  ['app/app.ts', 'const y = await import(name);', 'imports something that cannot be read here'],
  ['app/app.ts', "const y = require('pino');", 'imports something that cannot be read here'],
  ['app/app.ts', "import { y } from './nowhere.ts';", './nowhere.ts is not a file of src'],
  ['web/x.tsx', "import { y } from '../api/caller.ts';", 'web may import only types of api'],
  ['web/x.ts', "import type { Y } from '../execution/queue.ts';", 'web must not import execution'],
  ['web/x.ts', "import { join } from 'node:path';", 'web does not run in Node'],
  ['http/x.ts', "import { y } from '../web/links.ts';", 'http must not import web'],
  ['http/x.ts', "import { pino } from 'pino';", 'pino is imported by http and logger'],
  [
    'http/x.ts',
    "import { y } from '@opencode-ai/sdk/v2';",
    '@opencode-ai/sdk is imported by http and runners',
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
