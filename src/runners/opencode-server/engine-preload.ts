import { readFileSync } from 'node:fs';

/**
 * Runs inside the embedded OpenCode, before OpenCode itself (BUN_INSPECT_PRELOAD), and imports nothing of the
 * bridge. It reads the secrets from stdin, so that /proc shows none, and sets the environment of every child.
 */

/** The input from `engine-secrets.ts`. */
interface SecretsInput {
  /** Variables of the engine that are not in its initial environment. */
  secrets: Record<string, string>;
  /** Names of variables that no child of OpenCode gets. */
  withheld: string[];
}

type Environment = Record<string, string | undefined>;
interface SpawnOptions {
  cmd?: string[];
  env?: Environment;
}
type Spawn = (first: string[] | SpawnOptions, options?: SpawnOptions) => unknown;
interface Span {
  name: string;
  attributes?: Map<string, unknown>;
  parent?: { value?: Span };
}
interface EngineGlobals {
  Bun: { env: Environment; spawn: Spawn; spawnSync: Spawn };
  '~effect/Fiber/currentFiber'?: { currentSpan?: Span };
}
interface Ffi {
  dlopen(
    library: string,
    symbols: Record<string, { args: string[]; returns: string }>,
  ): { symbols: { prctl(option: number, ...rest: number[]): number } };
}

const SESSION = 'LETTA_OPENCODE_SESSION';
const PR_SET_DUMPABLE = 4;
const MAX_SPANS = 1_000;
const HARMLESS_GIT = {
  GIT_CONFIG_COUNT: '2',
  GIT_CONFIG_KEY_0: 'core.fsmonitor',
  GIT_CONFIG_VALUE_0: 'false',
  GIT_CONFIG_KEY_1: 'core.hooksPath',
  GIT_CONFIG_VALUE_1: '/dev/null',
};

const engine = globalThis as unknown as EngineGlobals;
const { Bun } = engine;
const { secrets, withheld }: SecretsInput = JSON.parse(readFileSync(0, 'utf8'));
Object.assign(Bun.env, secrets);
delete Bun.env.BUN_INSPECT_PRELOAD;
keepMemoryPrivate();
Bun.spawn = guarded(Bun.spawn);
Bun.spawnSync = guarded(Bun.spawnSync);
process.stdout.write('engine-preload: ready\n');

/** Then another process of this user cannot read memory or environment of this one; root still can. */
function keepMemoryPrivate(): void {
  const ffi = process.getBuiltinModule('bun:ffi') as Ffi | undefined;
  for (const library of ['libc.so.6', 'libc.so', 'libc.musl-x86_64.so.1']) {
    try {
      const args = ['i32', 'u64', 'u64', 'u64', 'u64'];
      const prctl = ffi?.dlopen(library, { prctl: { args, returns: 'i32' } }).symbols.prctl;
      if (prctl?.(PR_SET_DUMPABLE, 0, 0, 0, 0) === 0) return;
    } catch {
      // Another C library, or another system.
    }
  }
}

function guarded(spawn: Spawn): Spawn {
  return (first, options) => {
    if (Array.isArray(first)) return spawn(first, { ...options, env: environment(first, options?.env) });
    return spawn({ ...first, env: environment(first.cmd ?? [], first.env) });
  };
}

function environment([program = '']: string[], given: Environment = Bun.env): Environment {
  const env: Environment = { ...given, [SESSION]: sessionOfCommand() };
  for (const name of withheld) delete env[name];
  // OpenCode runs git outside of the sandbox, in a repository whose configuration a task may have written.
  if (/(^|\/)git$/.test(program)) Object.assign(env, HARMLESS_GIT);
  if (env[SESSION] === undefined) delete env[SESSION];
  return env;
}

/** The task's own session, where a command of the agent or of a subagent is being started. */
function sessionOfCommand(): string | undefined {
  let session: string | undefined;
  let span = engine['~effect/Fiber/currentFiber']?.currentSpan;
  let tool: unknown;
  for (let steps = 0; span && steps < MAX_SPANS; steps++) {
    tool ??= span.attributes?.get('tool.name');
    const id = span.attributes?.get('session.id');
    if (typeof id === 'string') session = id;
    span = span.parent?.value;
  }
  return tool === 'bash' ? session : undefined;
}
