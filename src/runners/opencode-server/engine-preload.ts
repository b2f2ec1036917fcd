import { FileGuard, type FileGuardInput } from './file-guard.ts';

/**
 * Runs inside the embedded OpenCode, before OpenCode itself (BUN_INSPECT_PRELOAD). It imports nothing that OpenCode
 * imports too, and of the bridge only what is written for here. It reads the secrets from stdin, so that /proc shows
 * none, sets the environment of every child, and guards the files of tasks.
 */

/** The input from `engine-secrets.ts`. */
interface SecretsInput {
  /** Variables of the engine that are not in its initial environment. */
  secrets: Record<string, string>;
  /** Names of variables that no child of OpenCode gets. */
  withheld: string[];
  /** Absent: commands have no sandbox, and links in the folders of tasks lead anywhere. */
  files?: FileGuardInput;
}

type Environment = Record<string, string | undefined>;
interface SpawnOptions {
  cmd?: string[];
  cwd?: string;
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
const { readFileSync } = process.getBuiltinModule('node:fs');
const { secrets, withheld, files }: SecretsInput = JSON.parse(readFileSync(0, 'utf8'));
const guard = files && new FileGuard(files);
Object.assign(Bun.env, secrets);
delete Bun.env.BUN_INSPECT_PRELOAD;
keepMemoryPrivate();
guard?.install(Bun);
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
    const given = Array.isArray(first) ? { ...options, cmd: first } : first;
    const { cmd = [], cwd } = given;
    // OpenCode runs ripgrep outside of the sandbox, in a folder that the model names.
    const folder = cwd !== undefined && isProgram('rg', cmd) ? guard?.pin(cwd) : undefined;
    try {
      return spawn({ ...given, ...(folder && { cwd: folder.path }), cmd, env: environment(cmd, given.env) });
    } finally {
      folder?.release?.();
    }
  };
}

function isProgram(name: string, [program = '']: string[]): boolean {
  return program === name || program.endsWith(`/${name}`);
}

function environment(cmd: string[], given: Environment = Bun.env): Environment {
  const env: Environment = { ...given, [SESSION]: sessionOfCommand() };
  for (const name of withheld) delete env[name];
  // OpenCode runs git outside of the sandbox, in a repository whose configuration a task may have written.
  if (isProgram('git', cmd)) Object.assign(env, HARMLESS_GIT);
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
