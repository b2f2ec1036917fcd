import { execFile } from 'node:child_process';
import { realpath, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ignoreMissing } from './paths.ts';

const run = promisify(execFile);

/**
 * Removes the paths that exist; of a symlink, the symlink itself. Uses `rm`, because it follows no symlink that a task
 * puts into its way, and because `fs.rm` blocks the event loop in large folders.
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
 * Renames a folder of `workspaceDir`, so that no new task can use a folder that is half removed. Returns the paths to
 * remove; undefined for a folder that does not lie in `workspaceDir`, which is not renamed.
 */
export async function moveToTrash(directory: string, workspaceDir: string): Promise<string[] | undefined> {
  const parent = await realpath(dirname(directory)).catch(ignoreMissing);
  if (parent === undefined) return [];
  if (parent !== (await realpath(workspaceDir).catch(ignoreMissing))) return undefined;
  const trash = join(parent, `.removed-${basename(directory)}`);
  await rename(directory, trash).catch(() => {}); // the removal reports what is wrong
  return [trash, directory];
}
