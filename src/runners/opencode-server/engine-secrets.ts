import { extname, join } from 'node:path';
import { isSecretName } from '../shell/secret-names.ts';
import type { FileGuardInput } from './file-guard.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables for the server only: no process that it starts needs them. */
const SERVER_ONLY = ['OPENCODE_SERVER_USERNAME', 'OPENCODE_SERVER_PASSWORD', 'OPENCODE_CONFIG_CONTENT'];
const PRELOAD = join(import.meta.dirname, `engine-preload${extname(import.meta.filename)}`);

/** What an engine writes to stdout when it has read its secrets, before it listens. */
export const SECRETS_READ = 'engine-preload: ready';

export interface EngineInputOptions {
  /** Variables of OpenCode's runtime, for OpenCode alone. */
  runtime: Readonly<Record<string, string>>;
  /** The password of an engine that does not read its secrets. */
  decoy: string;
  /** How files in the folders of tasks are guarded; undefined where commands have no sandbox. */
  files?: FileGuardInput | undefined;
}

/** How the engine gets its environment: the secrets by stdin, because /proc shows a process's initial environment. */
export interface EngineInput {
  env: Environment;
  stdin: string;
}

/**
 * Splits the environment. An engine that does not read its secrets (another OpenCode than the tested one) gets
 * `decoy` as its password, which nobody knows: it never listens without one. What the environment does not set of
 * `runtime` is added, for the engine alone.
 */
export function passSecrets(env: Environment, { runtime, decoy, files }: EngineInputOptions): EngineInput {
  const secrets = Object.entries(env).filter(([name]) => isSecretName(name));
  const open = Object.entries(env).filter(([name]) => !isSecretName(name));
  return {
    env: {
      ...runtime,
      ...Object.fromEntries(open),
      BUN_INSPECT_PRELOAD: PRELOAD,
      OPENCODE_SERVER_PASSWORD: decoy,
    },
    stdin: JSON.stringify({
      secrets: Object.fromEntries(secrets),
      withheld: [...SERVER_ONLY, ...Object.keys(runtime).filter((name) => !(name in env))],
      files,
    }),
  };
}
