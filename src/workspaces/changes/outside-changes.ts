import { lstat, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { errorCode, ignoreMissing, isInside } from '../paths.ts';
import { type GitSettings, runGit } from './git.ts';
import { repositoryOf } from './repository.ts';
import { makeShadow } from './shadow.ts';

/** Work goes on without this, so it waits less long for git than the snapshot of the folder does. */
const LIMIT_MS = 10_000;
const MAX_OUTPUT = 16 * 1024 * 1024;
/** Of a repository with more files that differ from its index nothing is told. */
const MAX_FILES = 20_000;

const beforeSchema = z.object({ root: z.string(), states: z.record(z.string(), z.string()) });
type Outside = z.infer<typeof beforeSchema>;

/** Where the repository around a task's folder is remembered. */
export function outsideStatePath(shadow: string): string {
  return `${shadow}.outside`;
}

/** Remembers which files of the repository around the folder differ from its index, and their times. */
export async function captureOutside(
  git: GitSettings,
  shadow: string,
  directory: string,
  userIgnores: string | undefined,
): Promise<void> {
  const root = (await repositoryOf(directory))?.root;
  if (root === undefined || root === directory) return;
  const place = outsideStatePath(shadow);
  // Without an index to borrow, all of the repository would have to be read.
  const { tookIndex } = await makeShadow(place, root, { empty: false, userIgnores, rehash: false });
  const states = tookIndex ? await statesOf(git, place, root, directory) : undefined;
  if (states) await writeFile(join(place, 'before.json'), JSON.stringify({ root, states } satisfies Outside));
}

/** The files of the repository around the folder that are not as they were, relative to its root. */
export async function changedOutside(
  git: GitSettings,
  shadow: string,
  directory: string,
): Promise<{ root: string; paths: string[] } | undefined> {
  const place = outsideStatePath(shadow);
  const kept = await readFile(join(place, 'before.json'), 'utf8').catch(ignoreMissing);
  if (kept === undefined) return undefined;
  const { root, states: before } = beforeSchema.parse(JSON.parse(kept));
  const after = await statesOf(git, place, root, directory);
  if (after === undefined) return undefined;
  const all = new Set([...Object.keys(before), ...Object.keys(after)]);
  return { root, paths: [...all].filter((path) => before[path] !== after[path]).sort() };
}

/** The files that git tells to be changed, gone or new, but for those of the folder and of the bridge itself. */
async function statesOf(
  git: GitSettings,
  place: string,
  root: string,
  directory: string,
): Promise<Record<string, string> | undefined> {
  const call = {
    args: ['ls-files', '-m', '-d', '-o', '-z', '--exclude-standard'],
    gitDir: place,
    workTree: root,
    maxBytes: MAX_OUTPUT,
  };
  const { code, stdout, cut } = await runGit({ ...git, timeoutMs: Math.min(git.timeoutMs, LIMIT_MS) }, call);
  if (code !== 0 || cut) return undefined;
  const own = [directory, dirname(dirname(place))];
  const paths = [...new Set(stdout.toString().split('\0'))]
    .filter((path) => path !== '')
    .filter((path) => !own.some((folder) => isInside(folder, join(root, path))));
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
