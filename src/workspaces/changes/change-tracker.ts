import { access, copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { BridgeError, quote } from '../../errors.ts';
import { ignoreMissing, isInside, taskFolder } from '../paths.ts';
import { readIfRegular } from '../regular-file.ts';
import { removeTrees } from '../trash.ts';
import { type Change, compareIndexes, parseChanges } from './change.ts';
import { type GitResult, type GitSettings, gitError, runGit } from './git.ts';
import { captureOutside, changedOutside, outsideStatePath } from './outside-changes.ts';
import { type PatchPage, patchPage } from './patch-page.ts';
import { makeShadow } from './shadow.ts';
import { takeSnapshot, writeTree } from './snapshot.ts';
import { userIgnoreFile } from './user-ignores.ts';

export type { Change } from './change.ts';

export interface ChangeTrackerOptions {
  /** One private repository per task is kept here. */
  snapshotsDir: string;
  /** The only variables of the parent that git gets to see. */
  env: GitSettings['env'];
  /** Name or path of the git program; default "git". */
  git?: string;
  /** Milliseconds for one git process; default 60 000. */
  timeoutMs?: number;
}

/** The index as `begin` left it. */
const BASELINE_INDEX = 'baseline-index';
const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
const EMPTY_INDEX = Buffer.from('DIRC\0\0\0\x02\0\0\0\0', 'latin1');
const MAX_LIST = 64 * 1024 * 1024;
const MAX_INDEX = 512 * 1024 * 1024;

/** Tells what a task changed in its folder, whatever git does or does not know about that folder. */
export class ChangeTracker {
  readonly #snapshotsDir: string;
  readonly #git: GitSettings;
  #userIgnores: Promise<string | undefined> | undefined;
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor({ snapshotsDir, env, git = 'git', timeoutMs = 60_000 }: ChangeTrackerOptions) {
    this.#snapshotsDir = resolve(snapshotsDir);
    this.#git = { git, env, timeoutMs };
  }

  /** Remembers the folder as it is now; `empty` promises that there is nothing in it yet. */
  begin(taskId: string, directory: string, { empty = false }: { empty?: boolean } = {}): Promise<void> {
    return this.#inTurn(taskId, async (shadow) => {
      this.#userIgnores ??= userIgnoreFile(this.#git);
      const userIgnores = await this.#userIgnores;
      const made = await makeShadow(shadow, directory, { empty, home: this.#git.env.HOME, userIgnores });
      if (!empty) {
        await takeSnapshot(this.#git, shadow, directory).catch(async (error: unknown) => {
          if (!made.tookIndex) throw error;
          await rm(join(shadow, 'index'), { force: true }); // theirs was damaged
          await takeSnapshot(this.#git, shadow, directory);
        });
      }
      await keepBaseline(shadow);
    });
  }

  /** Remembers the repository around the folder as it is now, where there is one that git can tell quickly of. */
  async captureOutside(taskId: string, directory: string): Promise<void> {
    this.#userIgnores ??= userIgnoreFile(this.#git);
    const shadow = taskFolder(this.#snapshotsDir, taskId);
    await captureOutside(this.#git, shadow, directory, await this.#userIgnores);
  }

  /** What changed in it since then outside of the folder; undefined where that cannot be told. */
  changedOutside(taskId: string, directory: string): Promise<{ root: string; paths: string[] } | undefined> {
    return changedOutside(this.#git, taskFolder(this.#snapshotsDir, taskId), directory);
  }

  /** Remembers the folder as it is now as the task's result; later changes of the folder no longer count. */
  finish(taskId: string, directory: string): Promise<void> {
    return this.#inTurn(taskId, async (shadow) => {
      await this.#requireBaseline(taskId, shadow);
      if (await isFinished(shadow)) return;
      await takeSnapshot(this.#git, shadow, directory);
      await writeFile(join(shadow, 'finished'), '');
    });
  }

  /** What differs between the folder at `begin` and at `finish`, or now if the task has not finished. */
  changes(taskId: string, directory: string): Promise<Change[]> {
    return this.#inTurn(taskId, async (shadow) => {
      await this.#prepare(taskId, shadow, directory);
      if ((await compared(shadow))?.length === 0) return [];
      const diff = await this.#diff(shadow, ['--raw', '--numstat', '-z'], [], MAX_LIST);
      if (diff.cut) {
        const text = `The task ${quote(taskId)} changed more files than ${MAX_LIST} bytes can list.`;
        throw new BridgeError('PAYLOAD_TOO_LARGE', text, { next: 'Look at the folder itself.' });
      }
      if (diff.code === 0) return parseChanges(diff.stdout.toString());
      return listWithoutObjects(shadow, diff);
    });
  }

  /** The same difference as a unified diff, of everything or of one path: at most `maxBytes` bytes from byte `from`. */
  patch(
    taskId: string,
    directory: string,
    path: string | undefined,
    maxBytes: number,
    from = 0,
  ): Promise<PatchPage> {
    return this.#inTurn(taskId, async (shadow) => {
      const only = path === undefined ? [] : [pathspec(directory, path)];
      await this.#prepare(taskId, shadow, directory);
      const diff = await this.#diff(shadow, ['-p', '--full-index'], only, from + maxBytes);
      if (diff.code !== 0) throw objectsGone(taskId, shadow, diff);
      return patchPage(diff, from);
    });
  }

  /** Forgets the task; of its folder only the paths named in `more` are removed along with that. */
  remove(taskId: string, more: readonly string[] = [], signal?: AbortSignal): Promise<void> {
    return this.#inTurn(taskId, (shadow) =>
      removeTrees([shadow, outsideStatePath(shadow), ...more], this.#git.env, signal),
    );
  }

  async #prepare(taskId: string, shadow: string, directory: string): Promise<void> {
    await this.#requireBaseline(taskId, shadow);
    if (!(await isFinished(shadow))) await takeSnapshot(this.#git, shadow, directory);
  }

  // Compares stored objects only: the task's folder, which may be gone, is not even the working folder.
  async #diff(shadow: string, format: string[], paths: string[], maxBytes: number): Promise<GitResult> {
    const fixed = ['--cached', '--no-renames', '--no-ext-diff', '--no-textconv', '--no-color'];
    const args = ['diff-index', ...fixed, ...format, await this.#baselineTree(shadow), '--', ...paths];
    return runGit(this.#git, { args, gitDir: shadow, workTree: shadow, maxBytes });
  }

  /** Made when it is first needed: most tasks never ask for it. */
  async #baselineTree(shadow: string): Promise<string> {
    const known = await readFile(join(shadow, 'baseline'), 'utf8').catch(ignoreMissing);
    if (known !== undefined && /^[0-9a-f]{40}$/.test(known)) return known;
    const tree = await writeTree(this.#git, shadow, join(shadow, BASELINE_INDEX));
    await writeFile(join(shadow, 'baseline'), tree);
    return tree;
  }

  async #requireBaseline(taskId: string, shadow: string): Promise<void> {
    if (await exists(join(shadow, BASELINE_INDEX))) return;
    throw new BridgeError('NOT_FOUND', `There is no snapshot of the folder of task ${quote(taskId)}.`, {
      next: 'What it changed cannot be told; read the files themselves.',
    });
  }

  #inTurn<T>(taskId: string, work: (shadow: string) => Promise<T>): Promise<T> {
    const before = this.#turns.get(taskId) ?? Promise.resolve();
    const turn = before.then(() => work(taskFolder(this.#snapshotsDir, taskId)));
    const settled = turn
      .catch(() => {})
      .then(() => {
        if (this.#turns.get(taskId) === settled) this.#turns.delete(taskId);
      });
    this.#turns.set(taskId, settled);
    return turn;
  }
}

function isFinished(shadow: string): Promise<boolean> {
  return exists(join(shadow, 'finished'));
}

async function exists(path: string): Promise<boolean> {
  return (await access(path).then(() => true, ignoreMissing)) ?? false;
}

/** Keeps the index as it is now; its presence says that the task has begun. */
async function keepBaseline(shadow: string): Promise<void> {
  const index = join(shadow, 'index');
  const kept = join(shadow, BASELINE_INDEX);
  if (await exists(index)) return copyFile(index, kept);
  await writeFile(join(shadow, 'baseline'), EMPTY_TREE);
  await writeFile(kept, EMPTY_INDEX);
}

/** What differs between the two indexes; undefined where git has to be asked. */
async function compared(shadow: string): Promise<Change[] | undefined> {
  const [before, after] = await Promise.all(
    [BASELINE_INDEX, 'index'].map((name) => readIfRegular(join(shadow, name), MAX_INDEX)),
  );
  return before && compareIndexes(before.content, after?.content ?? EMPTY_INDEX);
}

// The objects of the repository the task started from can be deleted with it; the two indexes remain.
async function listWithoutObjects(shadow: string, diff: GitResult): Promise<Change[]> {
  const changes = await compared(shadow);
  if (changes === undefined) throw diffFailed(shadow, diff);
  return changes;
}

function objectsGone(taskId: string, shadow: string, diff: GitResult): BridgeError {
  const text = `No patch can be made for task ${quote(taskId)}: git objects it started from were deleted.`;
  return new BridgeError('INVALID_STATE', text, {
    next: 'Ask for the list of changes, or read the files themselves.',
    cause: diffFailed(shadow, diff),
  });
}

function diffFailed(shadow: string, { code, stderr }: GitResult): BridgeError {
  const call = { args: ['diff-index'], workTree: shadow };
  return gitError(`failed with exit code ${code}: ${stderr.trim()}`, call);
}

function pathspec(directory: string, path: string): string {
  const inside = relative(directory, resolve(directory, path));
  if (!path.includes('\0') && isInside(directory, resolve(directory, path))) return inside || '.';
  throw new BridgeError('INVALID_INPUT', `path ${quote(path, 200)} is outside the task's directory.`, {
    next: 'Use a path as the list of changes gives it, relative to the directory.',
  });
}
