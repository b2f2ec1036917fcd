import { rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { BridgeError, quote } from '../../errors.ts';
import { KeyedQueue } from '../../keyed-queue.ts';
import { isInside, taskFolder } from '../paths.ts';
import { removeTrees } from '../trash.ts';
import type { Change } from './change.ts';
import type { GitSettings } from './git.ts';
import { captureOutside, changedOutside, outsideShadowPath } from './outside-changes.ts';
import { type PatchPage, patchPage } from './patch-page.ts';
import { makeShadow } from './shadow.ts';
import { diffPatch, exists, hasBaseline, listChanges, saveBaseline } from './shadow-diff.ts';
import { takeSnapshot } from './snapshot.ts';
import { userIgnoreFile } from './user-ignores.ts';

export type { Change } from './change.ts';

export interface ChangeTrackerOptions {
  /** Holds one private repository for each task. */
  snapshotsDir: string;
  /** The only variables of the bridge that git gets. */
  env: GitSettings['env'];
  /** Name or path of the git program; default "git". */
  git?: string;
  /** Milliseconds for one git process; default 60 000. */
  timeoutMs?: number;
}

/** Exists once the final snapshot of a task is taken. */
const FINISHED = 'finished';

/**
 * Finds out what a task changed in its folder, whether or not the folder belongs to a git repository: a private
 * repository ("shadow") has the folder as its work tree. Its states:
 *
 *     none → baseline (begin) → finished (finish) → none (remove)
 *
 * Until it is finished, each question takes a new snapshot; afterwards the folder is not read any more. Calls for one
 * task run one after another.
 */
export class ChangeTracker {
  readonly #snapshotsDir: string;
  readonly #git: GitSettings;
  #userIgnores: Promise<string | undefined> | undefined;
  readonly #queue = new KeyedQueue();

  constructor({ snapshotsDir, env, git = 'git', timeoutMs = 60_000 }: ChangeTrackerOptions) {
    this.#snapshotsDir = resolve(snapshotsDir);
    this.#git = { git, env, timeoutMs };
  }

  /** Takes the baseline snapshot of the folder; `empty` promises that it holds no files yet. */
  begin(taskId: string, directory: string, { empty = false }: { empty?: boolean } = {}): Promise<void> {
    return this.#inOrder(taskId, async (shadow) => {
      const userIgnores = await this.#userIgnoreFile();
      const { copiedIndex } = await makeShadow(shadow, directory, {
        empty,
        home: this.#git.env.HOME,
        userIgnores,
      });
      if (!empty) {
        await takeSnapshot(this.#git, shadow, directory).catch(async (error: unknown) => {
          if (!copiedIndex) throw error;
          await rm(join(shadow, 'index'), { force: true }); // the user's index was damaged
          await takeSnapshot(this.#git, shadow, directory);
        });
      }
      await saveBaseline(shadow);
    });
  }

  /** Saves the state of the repository around the folder, where git can read that quickly. */
  async captureOutside(taskId: string, directory: string): Promise<void> {
    const shadow = taskFolder(this.#snapshotsDir, taskId);
    await captureOutside(this.#git, shadow, directory, await this.#userIgnoreFile());
  }

  /** The changes of that repository since then, outside of the folder; undefined where they are unknown. */
  changedOutside(taskId: string, directory: string): Promise<{ root: string; paths: string[] } | undefined> {
    return changedOutside(this.#git, taskFolder(this.#snapshotsDir, taskId), directory);
  }

  /** Takes the final snapshot; later changes of the folder no longer count. */
  finish(taskId: string, directory: string): Promise<void> {
    return this.#inOrder(taskId, async (shadow) => {
      await requireBaseline(taskId, shadow);
      if (await isFinished(shadow)) return;
      await takeSnapshot(this.#git, shadow, directory);
      await writeFile(join(shadow, FINISHED), '');
    });
  }

  /** The changes from the baseline to the final snapshot, or to now where there is none yet. */
  changes(taskId: string, directory: string): Promise<Change[]> {
    return this.#inOrder(taskId, async (shadow) => {
      await this.#refresh(taskId, shadow, directory);
      return listChanges(this.#git, shadow, taskId);
    });
  }

  /** The same changes as a unified diff, of all files or of one path: at most `maxBytes` bytes from byte `from`. */
  patch(
    taskId: string,
    directory: string,
    path: string | undefined,
    maxBytes: number,
    from = 0,
  ): Promise<PatchPage> {
    return this.#inOrder(taskId, async (shadow) => {
      const paths = path === undefined ? [] : [pathspec(directory, path)];
      await this.#refresh(taskId, shadow, directory);
      return patchPage(await diffPatch(this.#git, shadow, taskId, paths, from + maxBytes), from);
    });
  }

  /** Removes the snapshots of the task, and with them the paths in `more`. Does not touch the task's folder otherwise. */
  remove(taskId: string, more: readonly string[] = [], signal?: AbortSignal): Promise<void> {
    return this.#inOrder(taskId, (shadow) =>
      removeTrees([shadow, outsideShadowPath(shadow), ...more], this.#git.env, signal),
    );
  }

  async #refresh(taskId: string, shadow: string, directory: string): Promise<void> {
    await requireBaseline(taskId, shadow);
    if (!(await isFinished(shadow))) await takeSnapshot(this.#git, shadow, directory);
  }

  #userIgnoreFile(): Promise<string | undefined> {
    this.#userIgnores ??= userIgnoreFile(this.#git);
    return this.#userIgnores;
  }

  #inOrder<T>(taskId: string, work: (shadow: string) => Promise<T>): Promise<T> {
    return this.#queue.run(taskId, async () => work(taskFolder(this.#snapshotsDir, taskId)));
  }
}

function isFinished(shadow: string): Promise<boolean> {
  return exists(join(shadow, FINISHED));
}

async function requireBaseline(taskId: string, shadow: string): Promise<void> {
  if (await hasBaseline(shadow)) return;
  throw new BridgeError('NOT_FOUND', `There is no snapshot of the folder of task ${quote(taskId)}.`, {
    next: 'Its changes are unknown; read the files themselves.',
  });
}

function pathspec(directory: string, path: string): string {
  const relativePath = relative(directory, resolve(directory, path));
  if (!path.includes('\0') && isInside(directory, resolve(directory, path))) return relativePath || '.';
  throw new BridgeError('INVALID_INPUT', `path ${quote(path, 200)} is outside the task's directory.`, {
    next: 'Use a path from the list of changes, relative to the directory.',
  });
}
