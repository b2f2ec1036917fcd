import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const ENTRY = join(import.meta.dirname, '../../src/index.ts');

export interface Program {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** The exit code, once the program has ended. */
  exit: Promise<number | null>;
  /** Resolves when stderr matches. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
}

/** Starts a command of the product as users do, with this environment alone; `prelude` is of the shell before it. */
export function startProgram(
  command: string,
  env: Record<string, string>,
  { entry = ENTRY, prelude = ':' } = {},
): Program {
  const shell = ['-c', `${prelude}; exec "$@"`, 'sh', process.execPath, entry, command];
  const child = spawn('/bin/sh', shell, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
    });
  }
  const exit = once(child, 'close').then(() => child.exitCode);
  const says = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(text.stderr);
      if (match) return match;
      if (child.exitCode !== null) throw new Error(`it ended before it said ${pattern}: ${text.stderr}`);
      await Promise.race([once(child.stderr, 'data'), exit]);
    }
  };
  return { child, stdout: () => text.stdout, stderr: () => text.stderr, exit, says };
}
