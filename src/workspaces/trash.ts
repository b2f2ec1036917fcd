import { execFile } from 'node:child_process';
import { realpath, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ignoreMissing } from './paths.ts';

const run = promisify(execFile);

/**
 * Removes what is at the paths, if anything; a symlink as such. `rm` does it because it follows no link that
 * is put in its way meanwhile, and because `fs.rm` stalls the event loop in large folders.
 */
export async function removeTrees(
  paths: readonly string[],
  { PATH }: { PATH?: string | undefined },
  signal?: AbortSignal,
): Promise<void> {
  const env = { ...(PATH === undefined ? {} : { PATH }), LC_ALL: 'C' };
  await run('rm', ['-rf', '--', ...paths], { env, ...(signal && { signal }) });
}

/**
 * Takes a folder that was made in `workspaceDir` out of reach at once, so that no new task is pointed at what is
 * half gone; what to remove then, or undefined, and nothing done, where it does not lie there.
 */
export async function moveToTrash(directory: string, workspaceDir: string): Promise<string[] | undefined> {
  const parent = await realpath(dirname(directory)).catch(ignoreMissing);
  if (parent === undefined) return [];
  if (parent !== (await realpath(workspaceDir).catch(ignoreMissing))) return undefined;
  const aside = join(parent, `.removed-${basename(directory)}`);
  await rename(directory, aside).catch(() => {}); // what is wrong, the removal says
  return [aside, directory];
}
