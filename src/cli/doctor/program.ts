import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const LIMIT_MS = 30_000;

/** The first line of what `program --version` prints; rejects where it does not start, end or succeed. */
export async function versionOf(
  program: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const { stdout } = await promisify(execFile)(program, ['--version'], { env, timeout: LIMIT_MS });
  return stdout.split('\n')[0]?.trim() ?? '';
}
