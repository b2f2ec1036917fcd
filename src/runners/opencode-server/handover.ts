import { extname, join } from 'node:path';
import { isSecretName } from '../shell/secret-names.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Of the server: no process that it starts has a use for them. */
const OF_THE_SERVER = ['OPENCODE_SERVER_USERNAME', 'OPENCODE_SERVER_PASSWORD', 'OPENCODE_CONFIG_CONTENT'];
const PRELOAD = join(import.meta.dirname, `engine-preload${extname(import.meta.filename)}`);

/** On stdout of an engine that has taken the handover, before it listens. */
export const TAKEN = 'engine-preload: ready';

/** How the engine is given its environment: the secrets by stdin, for a process's first environment can be read. */
export interface Handover {
  env: Environment;
  input: string;
}

/**
 * Parts the environment. Where the engine does not take it (another OpenCode than the tested one), `decoy` is a
 * password that nobody knows: it never listens without one.
 */
export function handover(env: Environment, decoy: string): Handover {
  const secrets = Object.entries(env).filter(([name]) => isSecretName(name));
  const open = Object.entries(env).filter(([name]) => !isSecretName(name));
  return {
    env: {
      ...Object.fromEntries(open),
      BUN_INSPECT_PRELOAD: PRELOAD,
      OPENCODE_SERVER_PASSWORD: decoy,
    },
    input: JSON.stringify({ secrets: Object.fromEntries(secrets), withheld: OF_THE_SERVER }),
  };
}
