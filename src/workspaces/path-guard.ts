import { readlink, realpath } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { BridgeError, quote } from '../errors.ts';
import { errorCode, isInside } from './paths.ts';

/**
 * The real paths of a task's folder and of a path in it. Throws INVALID_INPUT, naming the parameter, for a path outside of
 * the folder.
 */
export async function resolveInside(
  root: string,
  path: string,
  parameter: string,
): Promise<{ realRoot: string; real: string }> {
  if (path.includes('\0')) throw outsideTask(parameter, path, 'contains a NUL character and');
  const realRoot = await realpath(root).catch((error: unknown) => {
    throw accessError("the task's directory", root, error);
  });
  // The path of a task's directory had no symlink when the task was accepted. One that is there now may be the task's.
  if (realRoot !== resolve(root)) throw replaced(root);
  const wanted = isAbsolute(path) ? path : resolve(root, path);
  if (!isInside(realRoot, wanted)) throw outsideTask(parameter, path);
  const real = await realpath(wanted).catch((error: unknown) => {
    throw accessError(parameter, path, error);
  });
  if (!isInside(realRoot, real)) throw outsideTask(parameter, path);
  return { realRoot, real };
}

/**
 * The real path of an open file or folder: a part of its path can become a symlink between the check and the opening.
 * Undefined on systems without /proc.
 */
export async function pathOfDescriptor(fd: number): Promise<string | undefined> {
  try {
    return await readlink(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined; // no /proc
  }
}

/** The error for a path outside of the task's folder. */
export function outsideTask(parameter: string, path: string, also = ''): BridgeError {
  const text = `${parameter} ${quote(path, 200)} ${also} is outside the task's directory.`.replace('  ', ' ');
  return new BridgeError('INVALID_INPUT', text, { reason: { kind: 'outside_task' } });
}

function replaced(root: string): BridgeError {
  const text = `The task's directory ${quote(root, 200)} has been replaced: it, or a folder above it, is now a symlink.`;
  return new BridgeError('INVALID_STATE', text, {
    next: 'Its files can be read again once the folder is restored.',
  });
}

/** The error for a path that could not be resolved or opened. */
export function accessError(parameter: string, path: string, error: unknown): BridgeError {
  const code = errorCode(error);
  const name = `${parameter} ${quote(path, 200)}`;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new BridgeError('FILE_NOT_FOUND', `${name} does not exist.`, { cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new BridgeError('FORBIDDEN', `${name} cannot be read by the bridge (permission denied).`, {
      cause: error,
    });
  }
  return new BridgeError('INVALID_INPUT', `${name} cannot be opened (${code ?? 'unknown'}).`, {
    cause: error,
  });
}
