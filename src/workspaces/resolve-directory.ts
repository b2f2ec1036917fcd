import { lstat, mkdir, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BridgeError, quote } from '../errors.ts';
import { errorCode, isInside, realpathAllowMissing, taskFolder } from './paths.ts';

export interface TaskDirectoryRequest {
  /** Absolute, or relative to `workspaceDir`; absent means a new folder of the task's own. */
  requested?: string | undefined;
  taskId: string;
  workspaceDir: string;
  /** Folders besides `workspaceDir` whose content may be worked on. */
  roots: readonly string[];
  /** Tells the folders of others, which do not exist for whoever asks. */
  isForeign?: (path: string) => boolean;
}

export interface TaskDirectory {
  /** Real path, free of symlinks. */
  path: string;
  /** True when the folder is the task's own and has yet to be made. */
  ours: boolean;
}

/** Where a task works; creates nothing and refuses whatever lies outside the allowed roots. */
export async function resolveTaskDirectory(request: TaskDirectoryRequest): Promise<TaskDirectory> {
  const { requested, taskId, workspaceDir } = request;
  if (requested === undefined) {
    return { path: await realpathAllowMissing(taskFolder(workspaceDir, taskId)), ours: true };
  }
  const allowed = [workspaceDir, ...request.roots];
  const refuse = refusal(requested, allowed);
  if (requested === '') throw refuse('is empty');
  if (requested.includes('\0')) throw refuse('contains a NUL character');

  const wanted = resolve(workspaceDir, requested);
  const real = await realRoots(allowed);
  if (![...allowed.map((root) => resolve(root)), ...real].some((root) => isInside(root, wanted))) {
    throw refuse('is outside the allowed folders');
  }
  const path = await realpath(wanted).catch((error: unknown) => {
    throw refuse(errorCode(error) === 'ENOENT' ? 'does not exist' : 'cannot be opened', error);
  });
  if (!real.some((root) => isInside(root, path))) throw refuse('leads outside the allowed folders');
  if (request.isForeign?.(path)) throw refuse('does not exist');
  if (path === (await realpathAllowMissing(workspaceDir))) throw refuse('is the folder of all tasks');
  if (!(await stat(path)).isDirectory()) throw refuse('is not a folder');
  return { path, ours: false };
}

/** Makes the folder and an empty git repository in it, so that nothing climbs to a repository above. */
export async function makeTaskDirectory(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  if (!(await makeFolder(path))) {
    if (!(await lstat(path)).isDirectory()) {
      throw new BridgeError('INVALID_STATE', `directory ${quote(path)} exists and is not a folder.`);
    }
  }
  await makeRepository(join(path, '.git'));
}

// The files `git init --template=` writes, without the 3 ms of starting git.
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

function refusal(requested: string, allowed: readonly string[]) {
  return (why: string, cause?: unknown): BridgeError =>
    new BridgeError(
      'INVALID_INPUT',
      `directory ${quote(requested, 200)} ${why}; allowed is an existing folder in ${allowed.map((root) => quote(root, 200)).join(', ')}.`,
      {
        next: 'Name an existing folder in one of these, leave directory out to get a new one, or have the operator add a root.',
        ...(cause === undefined ? {} : { cause }),
      },
    );
}
