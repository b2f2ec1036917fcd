import { lstat, mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { deflateSync } from 'node:zlib';
import { errorCode, isFolder } from '../paths.ts';
import { readIfRegular } from '../regular-file.ts';
import { type GitSettings, gitError, runGit } from './git.ts';
import { nestedRepositories } from './index-file.ts';

const ATTEMPTS = 8;
const PAUSE_MS = 5;
const MAX_NESTING = 16;
const MAX_OUTPUT = 64 * 1024 * 1024;
const EMPTY_BLOB = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391';
const NULL_ID = '0'.repeat(40);

/**
 * Updates the shadow's index to the files in the folder, including those of nested repositories. Each round of `git add`
 * can uncover deeper nested repositories, which the next round adds as plain folders.
 */
export async function takeSnapshot(git: GitSettings, shadow: string, directory: string): Promise<void> {
  const index = join(shadow, 'index');
  await rm(`${index}.lock`, { force: true }); // of a git that was killed
  if (!(await isUnreplaced(directory))) return rm(index, { force: true });

  let repairs = await nestedRepairs(index);
  for (let level = 0; level < MAX_NESTING; level += 1) {
    if (repairs.length > 0) await updateIndex(git, shadow, directory, repairs);
    const complete = await addAll(git, shadow, directory);
    const further = await nestedRepairs(index);
    if (!complete) further.push(...(await skippedRepairs(git, shadow, directory)));
    if (further.length === 0 || further.join() === repairs.join()) return;
    repairs = further;
  }
}

// A symlink in place of the folder, or of one above it, leads to files that are not the task's.
async function isUnreplaced(directory: string): Promise<boolean> {
  const real = await realpath(directory).catch((error: unknown) => {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  });
  return real === directory && (await isFolder(directory));
}

/** Writes an index file as a tree object; returns its id. */
export async function writeTree(git: GitSettings, shadow: string, indexFile: string): Promise<string> {
  const args = ['write-tree', '--missing-ok'];
  const call = { args, gitDir: shadow, workTree: shadow, indexFile, maxBytes: 1024 };
  const { code, stdout, stderr } = await runGit(git, call);
  if (code !== 0) throw gitError(`failed with exit code ${code}: ${stderr.trim()}`, call);
  return stdout.toString().trim();
}

/** False where git skipped something. Tries again where a file vanished while git read it. */
async function addAll(git: GitSettings, shadow: string, directory: string): Promise<boolean> {
  const call = {
    args: ['add', '-A', '--ignore-errors'],
    gitDir: shadow,
    workTree: directory,
    maxBytes: 4096,
  };
  let failure = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const { code, stderr } = await runGit(git, call);
    if (code <= 1) return code === 0;
    failure = `failed with exit code ${code}: ${stderr.trim()}`;
    await pause(PAUSE_MS * attempt);
  }
  throw gitError(failure, call);
}

// Once the index holds a file in a nested repository, git treats that as a plain folder.
function asFolder(path: string): string {
  return `0 ${NULL_ID}\t${path}\x00100644 ${EMPTY_BLOB}\t${path}/.snapshot-looks-in\0`;
}

async function nestedRepairs(index: string): Promise<string[]> {
  const file = await readIfRegular(index, Number.MAX_SAFE_INTEGER);
  return file === undefined ? [] : nestedRepositories(file.content).map(asFolder);
}

/** Index entries for the paths that `git add` skipped: repositories without a commit, FIFOs, unreadable files. */
async function skippedRepairs(git: GitSettings, shadow: string, directory: string): Promise<string[]> {
  const args = ['ls-files', '-t', '-o', '-m', '-z', '--exclude-standard'];
  const { stdout } = await runGit(git, { args, gitDir: shadow, workTree: directory, maxBytes: MAX_OUTPUT });
  const repairs: string[] = [];
  for (const line of stdout.toString('latin1').split('\0')) {
    const isNew = line.startsWith('? ');
    const path = line.slice(2);
    if (path === '') continue;
    if (path.endsWith('/')) repairs.push(asFolder(path.slice(0, -1)));
    else if (isNew) repairs.push(`100644 ${EMPTY_BLOB}\t${path}\0`);
    else if (await isSpecial(directory, path)) repairs.push(`0 ${NULL_ID}\t${path}\0`);
  }
  return repairs;
}

async function isSpecial(directory: string, path: string): Promise<boolean> {
  try {
    const name = Buffer.from(`/${path}`, 'latin1');
    const stats = await lstat(Buffer.concat([Buffer.from(directory), name]));
    return !stats.isFile() && !stats.isSymbolicLink() && !stats.isDirectory();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}

async function updateIndex(
  git: GitSettings,
  shadow: string,
  workTree: string,
  lines: string[],
): Promise<void> {
  const emptyBlob = join(shadow, 'objects', EMPTY_BLOB.slice(0, 2), EMPTY_BLOB.slice(2));
  await mkdir(dirname(emptyBlob), { recursive: true });
  await writeFile(emptyBlob, deflateSync('blob 0\0'));
  const input = Buffer.from(lines.join(''), 'latin1');
  const call = {
    args: ['update-index', '-z', '--index-info'],
    gitDir: shadow,
    workTree,
    input,
    maxBytes: 4096,
  };
  const { code, stderr } = await runGit(git, call);
  if (code !== 0) throw gitError(`failed with exit code ${code}: ${stderr.trim()}`, call);
}
