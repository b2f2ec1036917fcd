import { access, copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError, quote } from '../../errors.ts';
import { ignoreMissing } from '../paths.ts';
import { readIfRegular } from '../regular-file.ts';
import { type Change, compareIndexes, parseChanges } from './change.ts';
import { type GitResult, type GitSettings, gitError, runGit } from './git.ts';
import { writeTree } from './snapshot.ts';

/** The index at the start of the task. */
const BASELINE_INDEX = 'baseline-index';
/** The tree id of that index. */
const BASELINE_TREE = 'baseline';
const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
const EMPTY_INDEX = Buffer.from('DIRC\0\0\0\x02\0\0\0\0', 'latin1');
const MAX_LIST = 64 * 1024 * 1024;
const MAX_INDEX = 512 * 1024 * 1024;

/** Whether the baseline of a task exists. */
export function hasBaseline(shadow: string): Promise<boolean> {
  return exists(join(shadow, BASELINE_INDEX));
}

/** Copies the present index as the baseline; its existence says that the task has begun. */
export async function saveBaseline(shadow: string): Promise<void> {
  const index = join(shadow, 'index');
  const baseline = join(shadow, BASELINE_INDEX);
  if (await exists(index)) return copyFile(index, baseline);
  await writeFile(join(shadow, BASELINE_TREE), EMPTY_TREE);
  await writeFile(baseline, EMPTY_INDEX);
}

/** The changes from the baseline to the present index. */
export async function listChanges(git: GitSettings, shadow: string, taskId: string): Promise<Change[]> {
  if ((await compareWithBaseline(shadow))?.length === 0) return [];
  const diff = await diffIndex(git, shadow, ['--raw', '--numstat', '-z'], [], MAX_LIST);
  if (diff.cut) {
    const text = `The task ${quote(taskId)} changed more files than ${MAX_LIST} bytes can list.`;
    throw new BridgeError('PAYLOAD_TOO_LARGE', text, { next: 'Look at the folder itself.' });
  }
  if (diff.code === 0) return parseChanges(diff.stdout.toString());
  // The user can delete the repository, and its objects with it. The two indexes are the bridge's own and remain.
  const changes = await compareWithBaseline(shadow);
  if (changes === undefined) throw diffError(shadow, diff);
  return changes;
}

/** A unified diff from the baseline to the present index, at most `maxBytes` bytes. */
export async function diffPatch(
  git: GitSettings,
  shadow: string,
  taskId: string,
  paths: string[],
  maxBytes: number,
): Promise<GitResult> {
  const diff = await diffIndex(git, shadow, ['-p', '--full-index'], paths, maxBytes);
  if (diff.code === 0) return diff;
  const text = `No patch can be made for task ${quote(taskId)}: git objects that it started from were deleted.`;
  throw new BridgeError('INVALID_STATE', text, {
    next: 'Ask for the list of changes, or read the files themselves.',
    cause: diffError(shadow, diff),
  });
}

export async function exists(path: string): Promise<boolean> {
  return (await access(path).then(() => true, ignoreMissing)) ?? false;
}

// Compares stored objects only. The task's folder may be gone, so it is not even the working directory.
async function diffIndex(
  git: GitSettings,
  shadow: string,
  format: string[],
  paths: string[],
  maxBytes: number,
): Promise<GitResult> {
  const fixed = ['--cached', '--no-renames', '--no-ext-diff', '--no-textconv', '--no-color'];
  const args = ['diff-index', ...fixed, ...format, await baselineTree(git, shadow), '--', ...paths];
  return runGit(git, { args, gitDir: shadow, workTree: shadow, maxBytes });
}

/** Written when it is first needed: most tasks never need it. */
async function baselineTree(git: GitSettings, shadow: string): Promise<string> {
  const path = join(shadow, BASELINE_TREE);
  const known = await readFile(path, 'utf8').catch(ignoreMissing);
  if (known !== undefined && /^[0-9a-f]{40}$/.test(known)) return known;
  const tree = await writeTree(git, shadow, join(shadow, BASELINE_INDEX));
  await writeFile(path, tree);
  return tree;
}

/** The differences between the two indexes; undefined where only git can tell. */
async function compareWithBaseline(shadow: string): Promise<Change[] | undefined> {
  const [before, after] = await Promise.all(
    [BASELINE_INDEX, 'index'].map((name) => readIfRegular(join(shadow, name), MAX_INDEX)),
  );
  return before && compareIndexes(before.content, after?.content ?? EMPTY_INDEX);
}

function diffError(shadow: string, { code, stderr }: GitResult): BridgeError {
  const call = { args: ['diff-index'], workTree: shadow };
  return gitError(`failed with exit code ${code}: ${stderr.trim()}`, call);
}
