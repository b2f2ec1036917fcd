import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { BridgeError, quote } from '../errors.ts';

/** Whether `path` is `root` or lies below it. Both are absolute; symlinks are not resolved. */
export function isInside(root: string, path: string): boolean {
  const relativePath = relative(root, path);
  return relativePath !== '..' && !relativePath.startsWith(`..${sep}`) && !isAbsolute(relativePath);
}

/** `parent/<taskId>`. Throws INVALID_INPUT for a task id that is not a plain folder name. */
export function taskFolder(parent: string, taskId: string): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/.test(taskId)) {
    throw new BridgeError('INVALID_INPUT', `task_id ${quote(taskId)} cannot be the name of a folder.`, {
      next: 'Use letters, digits, "-", "_" and ".".',
    });
  }
  return join(resolve(parent), taskId);
}

/** The real path of something that may not exist: the real path of its nearest existing parent, plus the rest. */
export async function realpathAllowMissing(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    return join(await realpathAllowMissing(dirname(path)), basename(path));
  }
}

/** The `code` of a system error, such as ENOENT; undefined for other errors. */
export function errorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}

/** For `catch`: undefined where the path does not exist; throws any other error. */
export function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}

/** Whether the path is a folder, and not a symlink to one. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}
