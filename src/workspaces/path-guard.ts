import { readlink, realpath } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { BridgeError, quote } from '../errors.ts';
import { errorCode, isInside } from './paths.ts';

/** Real paths of a task's folder and of something in it; anything outside is refused in the name of `parameter`. */
export async function resolveInside(
  root: string,
  path: string,
  parameter: string,
): Promise<{ realRoot: string; real: string }> {
  if (path.includes('\0')) throw outsideTask(parameter, path, 'contains a NUL character and');
  const realRoot = await realpath(root).catch((error: unknown) => {
    throw accessError("the task's directory", root, error);
  });
  // A task's directory was free of links when it was accepted; one that is there now, the task may have planted.
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
 * Where the opened file or folder really is: what is on the way can become a link between look-up and opening.
 * Undefined where the system does not tell.
 */
export async function pathOfDescriptor(fd: number): Promise<string | undefined> {
  try {
    return await readlink(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined; // no /proc
  }
}

/** The refusal of a path that leads out of the task's folder. */
export function outsideTask(parameter: string, path: string, also = ''): BridgeError {
  const text = `${parameter} ${quote(path, 200)} ${also} is outside the task's directory.`.replace('  ', ' ');
  return new BridgeError('INVALID_INPUT', text, { reason: { kind: 'outside_task' } });
}

function replaced(root: string): BridgeError {
  const text = `The task's directory ${quote(root, 200)} has been replaced: it, or a folder above it, is a link now.`;
  return new BridgeError('INVALID_STATE', text, {
    next: 'Its files can be read again when the folder is back in its place.',
  });
}

/** What a failed look-up or opening of a path means to the caller. */
export function accessError(parameter: string, path: string, error: unknown): BridgeError {
  const code = errorCode(error);
  const name = `${parameter} ${quote(path, 200)}`;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new BridgeError('FILE_NOT_FOUND', `${name} does not exist.`, { cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new BridgeError('FORBIDDEN', `${name} may not be read by the bridge.`, { cause: error });
  }
  return new BridgeError('INVALID_INPUT', `${name} cannot be opened (${code ?? 'unknown'}).`, {
    cause: error,
  });
}
