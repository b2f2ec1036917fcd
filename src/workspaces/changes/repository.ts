import { dirname, join, resolve } from 'node:path';
import { isFolder } from '../paths.ts';
import { readIfRegular } from '../regular-file.ts';

const MAX_TEXT = 1024 * 1024;

export interface Repository {
  /** The folder that holds `.git`. */
  root: string;
  /** Holds the index. */
  gitDir: string;
  /** Holds objects, configuration and info/; differs from `gitDir` in a linked work tree. */
  common: string;
}

/** The repository of a folder: that of the nearest `.git` in it or above it. */
export async function repositoryOf(directory: string): Promise<Repository | undefined> {
  for (let root = directory; ; root = dirname(root)) {
    const found = await repositoryAt(root);
    if (found !== undefined || dirname(root) === root) return found;
  }
}

/** Whether a repository with SHA-1 ids can use the objects of this one. */
export async function canShareObjects({ common }: Repository): Promise<boolean> {
  return !common.includes('\n') && !/objectformat\s*=\s*sha256/i.test(await text(join(common, 'config')));
}

/** The content of a text file of at most 1 MB; empty where there is none. */
export async function text(path: string): Promise<string> {
  return (await readIfRegular(path, MAX_TEXT))?.content.toString() ?? '';
}

async function repositoryAt(root: string): Promise<Repository | undefined> {
  const gitDir = await findGitDir(join(root, '.git'));
  if (gitDir === undefined) return undefined;
  const link = await text(join(gitDir, 'commondir'));
  const common = link === '' ? gitDir : resolve(gitDir, link.trimEnd());
  return (await isFolder(join(common, 'objects'))) ? { root, gitDir, common } : undefined;
}

async function findGitDir(dotGit: string): Promise<string | undefined> {
  if (await isFolder(dotGit)) return dotGit;
  const link = /^gitdir: (.+?)\s*$/.exec(await text(dotGit))?.[1];
  return link === undefined ? undefined : resolve(dotGit, '..', link);
}
