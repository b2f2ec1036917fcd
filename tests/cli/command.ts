import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { COMPILE_CACHE, FEW_COLLECTIONS, PROGRAM } from '../support/built-program.ts';
import { hermeticEnv } from '../support/opencode.ts';
import { tempDir } from '../support/temp.ts';

/** Nothing listens there: no test of a command prompts a model. */
const NO_MODEL = 'http://127.0.0.1:1/v1';
const LIMIT_MS = 90_000;

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** A home folder of its own, in which `run` is the program with a command (and its options) and variables of its own. */
export async function commandLine() {
  const home = await tempDir('bridge-cli-');
  const dataDir = join(home.path, 'bridge');
  const workspaceDir = join(dataDir, 'workspaces');
  await mkdir(workspaceDir, { recursive: true });
  const run = (command: string | string[], variables: Record<string, string> = {}): Promise<Outcome> => {
    const env = {
      ...COMPILE_CACHE,
      ...hermeticEnv(home.path, NO_MODEL),
      DATA_DIR: dataDir,
      MCP_PORT: '0',
      ...variables,
    };
    return new Promise((resolve) => {
      const options = { env, cwd: home.path, timeout: LIMIT_MS };
      execFile(
        process.execPath,
        [FEW_COLLECTIONS, PROGRAM, ...[command].flat()],
        options,
        (error, stdout, stderr) => {
          const code = typeof error?.code === 'number' ? error.code : error ? -1 : 0;
          resolve({ code, stdout, stderr });
        },
      );
    });
  };
  return { home: home.path, dataDir, workspaceDir, run, [Symbol.asyncDispose]: home.remove };
}

/** The rows of the doctor's table: check → status and detail. */
export function rowsOf({ stdout }: Outcome): Record<string, string> {
  const rows = stdout.split('\n\n')[0]?.trim().split('\n').slice(1) ?? [];
  return Object.fromEntries(
    rows.map((row) => {
      const [check = '', ...rest] = row.split(/ {2,}/);
      return [check, rest.join(' ')];
    }),
  );
}
