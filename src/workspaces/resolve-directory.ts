import { lstat, mkdir, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BridgeError, quote } from '../errors.ts';
import { errorCode, isInside, realpathAllowMissing, taskFolder } from './paths.ts';

export interface TaskDirectoryRequest {
  /** Absolute, or relative to `workspaceDir`; absent: a new folder for this task alone. */
  requested?: string | undefined;
  taskId: string;
  workspaceDir: string;
  /** Folders besides `workspaceDir` in which tasks may work. */
  roots: readonly string[];
  /** Whether a folder belongs to another agent; such a folder is reported as missing. */
  isForeign?: (path: string) => boolean;
}

export interface TaskDirectory {
  /** Real path, free of symlinks. */
  path: string;
  /** Whether the bridge creates the folder for this task. */
  ours: boolean;
}

/** The directory of a task. Creates nothing; throws INVALID_INPUT for a directory outside of the allowed folders. */
export async function resolveTaskDirectory(request: TaskDirectoryRequest): Promise<TaskDirectory> {
  const { requested, taskId, workspaceDir } = request;
  if (requested === undefined) {
    return { path: await realpathAllowMissing(taskFolder(workspaceDir, taskId)), ours: true };
  }
  const allowed = [workspaceDir, ...request.roots];
  const refusal = refusalOf(requested, allowed);
  if (requested === '') throw refusal('is empty');
  if (requested.includes('\0')) throw refusal('contains a NUL character');

  const wanted = resolve(workspaceDir, requested);
  const real = await realRoots(allowed);
  if (![...allowed.map((root) => resolve(root)), ...real].some((root) => isInside(root, wanted))) {
    throw refusal('is outside the allowed folders');
  }
  const path = await realpath(wanted).catch((error: unknown) => {
    throw refusal(errorCode(error) === 'ENOENT' ? 'does not exist' : 'cannot be opened', error);
  });
  if (!real.some((root) => isInside(root, path))) throw refusal('leads outside the allowed folders');
  if (request.isForeign?.(path)) throw refusal('does not exist');
  if (path === (await realpathAllowMissing(workspaceDir))) throw refusal('is the folder of all tasks');
  if (!(await stat(path)).isDirectory()) throw refusal('is not a folder');
  return { path, ours: false };
}

/** Creates the folder with an empty git repository in it, so that git does not use a repository above it. */
export async function makeTaskDirectory(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  if (!(await makeFolder(path))) {
    if (!(await lstat(path)).isDirectory()) {
      throw new BridgeError('INVALID_STATE', `directory ${quote(path)} exists and is not a folder.`);
    }
  }
  await makeRepository(join(path, '.git'));
}

// The files that `git init --template=` writes. Starting git would take 3 ms.
async function makeRepository(gitDir: string): Promise<void> {
  if (!(await makeFolder(gitDir))) return;
  await Promise.all([
    mkdir(join(gitDir, 'objects', 'info'), { recursive: true }),
    mkdir(join(gitDir, 'objects', 'pack'), { recursive: true }),
    mkdir(join(gitDir, 'refs', 'heads'), { recursive: true }),
    mkdir(join(gitDir, 'refs', 'tags'), { recursive: true }),
    writeFile(join(gitDir, 'HEAD'), 'ref: refs/heads/main\n'),
    writeFile(
      join(gitDir, 'config'),
      '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n',
    ),
  ]);
}

async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function realRoots(roots: readonly string[]): Promise<string[]> {
  const found = await Promise.allSettled(roots.map((root) => realpath(root)));
  return found.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

function refusalOf(requested: string, allowed: readonly string[]) {
  return (reason: string, cause?: unknown): BridgeError =>
    new BridgeError(
      'INVALID_INPUT',
      `directory ${quote(requested, 200)} ${reason}; use an existing folder in ${allowed.map((root) => quote(root, 200)).join(', ')}.`,
      {
        next: 'Use an existing folder in one of these, leave directory out to get a new one, or ask the operator to add a root.',
        ...(cause === undefined ? {} : { cause }),
      },
    );
}
