import { accessSync, constants, realpathSync } from 'node:fs';
import { basename, delimiter, isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Shells that accept `-c`. OpenCode recognizes them by these names. */
const SHELLS: ReadonlySet<string> = new Set(['bash', 'zsh', 'sh', 'dash', 'ksh']);
const DEFAULT_PATH = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** Absolute paths of the programs that a sandbox needs. */
export interface SandboxPrograms {
  bwrap: string;
  nsenter: string;
  setpriv: string;
}

export function findPrograms(env: Environment): SandboxPrograms | { missing: string } {
  const found = { bwrap: find('bwrap', env), nsenter: find('nsenter', env), setpriv: find('setpriv', env) };
  const { bwrap, nsenter, setpriv } = found;
  if (bwrap && nsenter && setpriv) return { bwrap, nsenter, setpriv };
  return {
    missing: Object.entries(found)
      .flatMap(([name, path]) => (path ? [] : [name]))
      .join(', '),
  };
}

/** The shell that OpenCode would use: $SHELL where it is suitable, else bash, else sh. */
export function defaultShell(env: Environment): string {
  const { SHELL } = env;
  if (SHELL !== undefined && isAbsolute(SHELL) && SHELLS.has(basename(SHELL)) && isExecutable(SHELL))
    return SHELL;
  return find('bash', env) ?? '/bin/sh';
}

function find(name: string, { PATH = '' }: Environment): string | undefined {
  const folders = [...PATH.split(delimiter).filter(isAbsolute), ...DEFAULT_PATH];
  const path = folders.map((folder) => join(folder, name)).find(isExecutable);
  return path && realpathSync(path);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
