import { realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { BridgeError, quote } from '../../errors.ts';
import { errorCode, isInside } from './paths.ts';

/** Real paths of a task's folder and of something in it; anything outside is refused in the name of `parameter`. */
export async function resolveInside(
  root: string,
  path: string,
  parameter: string,
): Promise<{ realRoot: string; real: string }> {
  if (path.includes('\0')) throw outside(parameter, path, 'contains a NUL character and');
  const realRoot = await realpath(root).catch((error: unknown) => {
    throw unreachable("the task's directory", root, error);
  });
  const wanted = isAbsolute(path) ? path : resolve(root, path);
  const base = [root, realRoot].find((it) => isInside(it, wanted));
  if (base === undefined) throw outside(parameter, path);
  const real = await realpath(join(realRoot, relative(base, wanted))).catch((error: unknown) => {
    throw unreachable(parameter, path, error);
  });
  if (!isInside(realRoot, real)) throw outside(parameter, path);
  return { realRoot, real };
}

/** The refusal of a path that leads out of the task's folder. */
export function outside(parameter: string, path: string, also = ''): BridgeError {
  const text = `${parameter} ${quote(path, 200)} ${also} is outside the task's directory.`.replace('  ', ' ');
  return new BridgeError('INVALID_INPUT', text, { next: 'Use a path as get_task_files lists it.' });
}

/** What a failed look-up or opening of a path means to the caller. */
export function unreachable(parameter: string, path: string, error: unknown): BridgeError {
  const code = errorCode(error);
  const name = `${parameter} ${quote(path, 200)}`;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    const next = 'Call get_task_files to see which files there are.';
    return new BridgeError('FILE_NOT_FOUND', `${name} does not exist.`, { next, cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new BridgeError('FORBIDDEN', `${name} may not be read by the bridge.`, { cause: error });
  }
  return new BridgeError('INVALID_INPUT', `${name} cannot be opened (${code ?? 'unknown'}).`, {
    cause: error,
  });
}
