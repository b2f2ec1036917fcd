import { lstat, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** Git's links and configuration files are smaller than this. */
const MAX_BYTES = 64 * 1024;

/** The git repository of a folder, and the folders that git has to write. */
export interface Repository {
  root: string;
  /** Git's data; outside the root for a linked work tree or a submodule. */
  gitDirs: string[];
}

/**
 * The repository of a folder, searched upwards but not above `roots`. A `.git` file counts only where its target points
 * back: a task can write such a file, and must not get write access to any folder by it.
 */
export async function repositoryOf(
  directory: string,
  roots: readonly string[],
): Promise<Repository | undefined> {
  for (let folder = directory; ; folder = dirname(folder)) {
    const dotGit = join(folder, '.git');
    const stats = await lstat(dotGit).catch(() => undefined);
    if (stats?.isDirectory()) return { root: folder, gitDirs: [dotGit] };
    if (stats?.isFile()) return { root: folder, gitDirs: await linkedGitDirs(folder, dotGit) };
    if (roots.includes(folder) || folder === dirname(folder)) return undefined;
  }
}

async function linkedGitDirs(folder: string, dotGit: string): Promise<string[]> {
  const target = /^gitdir: (.+?)\s*$/.exec(await text(dotGit))?.[1];
  const gitDir = target && (await realpath(resolve(folder, target)).catch(() => undefined));
  if (!gitDir) return [];
  return (await workTreeGitDirs(gitDir, dotGit)) ?? (await submoduleGitDirs(gitDir, folder)) ?? [];
}

async function workTreeGitDirs(gitDir: string, dotGit: string): Promise<string[] | undefined> {
  const back = (await text(join(gitDir, 'gitdir'))).trim();
  const common = (await text(join(gitDir, 'commondir'))).trim();
  if (back === '' || common === '' || (await real(resolve(gitDir, back))) !== (await real(dotGit))) return;
  const path = await real(resolve(gitDir, common));
  return path !== undefined && dirname(dirname(gitDir)) === path && basename(dirname(gitDir)) === 'worktrees'
    ? [path]
    : undefined;
}

async function submoduleGitDirs(gitDir: string, folder: string): Promise<string[] | undefined> {
  const back = /^\s*worktree\s*=\s*(.+?)\s*$/m.exec(await text(join(gitDir, 'config')))?.[1];
  if (back === undefined || (await real(resolve(gitDir, back))) !== (await real(folder))) return;
  return [gitDir];
}

function real(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined);
}

async function text(path: string): Promise<string> {
  const stats = await lstat(path).catch(() => undefined);
  if (!stats?.isFile() || stats.size > MAX_BYTES) return '';
  return readFile(path, 'utf8').catch(() => '');
}
