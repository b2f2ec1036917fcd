import { lstat, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { errorCode, ignoreMissing, isInside } from '../paths.ts';
import { type GitSettings, runGit } from './git.ts';
import { repositoryOf } from './repository.ts';
import { makeShadow } from './shadow.ts';

/** Less than for snapshots, as a task can do without this. */
const TIMEOUT_MS = 10_000;
const MAX_OUTPUT = 16 * 1024 * 1024;
/** A repository with more changed files than this is not watched. */
const MAX_FILES = 20_000;

const beforeSchema = z.object({ root: z.string(), states: z.record(z.string(), z.string()) });
type Outside = z.infer<typeof beforeSchema>;

/** The private repository that watches the repository around a task's folder. */
export function outsideShadowPath(shadow: string): string {
  return `${shadow}.outside`;
}

/** Saves which files of the repository around the folder differ from its index, and their stats. */
export async function captureOutside(
  git: GitSettings,
  shadow: string,
  directory: string,
  userIgnores: string | undefined,
): Promise<void> {
  const root = (await repositoryOf(directory))?.root;
  if (root === undefined || root === directory) return;
  const outsideShadow = outsideShadowPath(shadow);
  // Without a usable index git would have to read the whole repository.
  const { copiedIndex } = await makeShadow(outsideShadow, root, { empty: false, userIgnores, rehash: false });
  const states = copiedIndex ? await statesOf(git, outsideShadow, root, directory) : undefined;
  if (states)
    await writeFile(join(outsideShadow, 'before.json'), JSON.stringify({ root, states } satisfies Outside));
}

/** The files of the repository around the folder that have changed since then, relative to its root. */
export async function changedOutside(
  git: GitSettings,
  shadow: string,
  directory: string,
): Promise<{ root: string; paths: string[] } | undefined> {
  const outsideShadow = outsideShadowPath(shadow);
  const saved = await readFile(join(outsideShadow, 'before.json'), 'utf8').catch(ignoreMissing);
  if (saved === undefined) return undefined;
  const { root, states: before } = beforeSchema.parse(JSON.parse(saved));
  const after = await statesOf(git, outsideShadow, root, directory);
  if (after === undefined) return undefined;
  const all = new Set([...Object.keys(before), ...Object.keys(after)]);
  return { root, paths: [...all].filter((path) => before[path] !== after[path]).sort() };
}

/** The stats of all files that differ from the index, except those in the folder and in the folder of snapshots. */
async function statesOf(
  git: GitSettings,
  outsideShadow: string,
  root: string,
  directory: string,
): Promise<Record<string, string> | undefined> {
  const call = {
    args: ['ls-files', '-m', '-d', '-o', '-z', '--exclude-standard'],
    gitDir: outsideShadow,
    workTree: root,
    maxBytes: MAX_OUTPUT,
  };
  const { code, stdout, cut } = await runGit(
    { ...git, timeoutMs: Math.min(git.timeoutMs, TIMEOUT_MS) },
    call,
  );
  if (code !== 0 || cut) return undefined;
  const excluded = [directory, dirname(dirname(outsideShadow))];
  const paths = [...new Set(stdout.toString().split('\0'))]
    .filter((path) => path !== '')
    .filter((path) => !excluded.some((folder) => isInside(folder, join(root, path))));
  if (paths.length > MAX_FILES) return undefined;
  const states = await Promise.all(
    paths.map(async (path): Promise<[string, string]> => [path, await stateOf(join(root, path))]),
  );
  return Object.fromEntries(states);
}

async function stateOf(path: string): Promise<string> {
  try {
    const { ino, size, mode, mtimeMs, ctimeMs } = await lstat(path);
    return [ino, size, mode, mtimeMs, ctimeMs].join(' ');
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return 'gone';
  }
}
