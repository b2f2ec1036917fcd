import { lstat, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** A link or configuration of git is not larger. */
const MAX_BYTES = 64 * 1024;

/** The git repository that a folder belongs to, as far as git has to write there. */
export interface Repository {
  root: string;
  /** Folders of git's own data; for a linked work tree or a submodule they lie elsewhere. */
  gitDirs: string[];
}

/**
 * The repository of a folder, looked for upwards but not above `roots`. A `.git` file is believed only where what
 * it names points back: anybody who may write into the folder can write such a file.
 */
export async function repositoryOf(
  directory: string,
  roots: readonly string[],
): Promise<Repository | undefined> {
  for (let folder = directory; ; folder = dirname(folder)) {
    const dotGit = join(folder, '.git');
    const stats = await lstat(dotGit).catch(() => undefined);
    if (stats?.isDirectory()) return { root: folder, gitDirs: [dotGit] };
    if (stats?.isFile()) return { root: folder, gitDirs: await linked(folder, dotGit) };
    if (roots.includes(folder) || folder === dirname(folder)) return undefined;
  }
}

async function linked(folder: string, dotGit: string): Promise<string[]> {
  const named = /^gitdir: (.+?)\s*$/.exec(await text(dotGit))?.[1];
  const gitDir = named && (await realpath(resolve(folder, named)).catch(() => undefined));
  if (!gitDir) return [];
  return (await ofWorkTree(gitDir, dotGit)) ?? (await ofSubmodule(gitDir, folder)) ?? [];
}

async function ofWorkTree(gitDir: string, dotGit: string): Promise<string[] | undefined> {
  const back = (await text(join(gitDir, 'gitdir'))).trim();
  const common = (await text(join(gitDir, 'commondir'))).trim();
  if (back === '' || common === '' || (await real(resolve(gitDir, back))) !== (await real(dotGit))) return;
  const path = await real(resolve(gitDir, common));
  return path !== undefined && dirname(dirname(gitDir)) === path && basename(dirname(gitDir)) === 'worktrees'
    ? [path]
    : undefined;
}

async function ofSubmodule(gitDir: string, folder: string): Promise<string[] | undefined> {
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
