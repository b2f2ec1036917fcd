import type { Readable } from 'node:stream';
import { messageOf, printable } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { FileChange, TaskEventBody } from '../tasks/events.ts';
import { logFields } from '../tasks/log-fields.ts';
import type { Task } from '../tasks/task.ts';
import { cut } from '../text.ts';
import { allFiles, archive } from './archive.ts';
import { type Change, ChangeTracker, type ChangeTrackerOptions } from './changes/change-tracker.ts';
import type { PatchPage } from './changes/patch-page.ts';
import { type DirectoryEntry, listDirectory, readTaskFile, type TaskFilePage } from './files.ts';
import { type OpenFile, openTaskFile } from './open-file.ts';
import { makeTaskDirectory, resolveTaskDirectory, type TaskDirectory } from './resolve-directory.ts';
import { moveToTrash } from './trash.ts';

const DOCKER = 'docker';
/** Files that a warning names. */
const MAX_NAMES = 20;
const NAME_LENGTH = 100;

export interface TaskFilesOptions {
  workspaceDir: string;
  roots: readonly string[];
  snapshotsDir: string;
  /** The most bytes of a file in one answer. */
  maxFileSize: number;
  env: ChangeTrackerOptions['env'];
  logger: Logger;
}

/** The folders of tasks: their location, their changes and their files. */
export class TaskFiles {
  readonly #options: TaskFilesOptions;
  readonly #tracker: ChangeTracker;
  readonly #background = new Set<Promise<void>>();

  constructor(options: TaskFilesOptions) {
    const { snapshotsDir, env } = options;
    this.#options = options;
    this.#tracker = new ChangeTracker({ snapshotsDir, env });
  }

  /** In which tasks get new folders. */
  get workspaceDir(): string {
    return this.#options.workspaceDir;
  }

  /** Folders besides in which tasks may work. */
  get roots(): readonly string[] {
    return this.#options.roots;
  }

  /** The directory of a new task. Creates nothing; folders for which `isForeign` is true count as missing. */
  resolve(
    taskId: string,
    requested: string | undefined,
    isForeign: (path: string) => boolean,
  ): Promise<TaskDirectory> {
    const { workspaceDir, roots } = this.#options;
    return resolveTaskDirectory({ requested, taskId, workspaceDir, roots, isForeign });
  }

  /** Creates the task's folder where the bridge owns it. */
  async prepare(task: Task): Promise<void> {
    if (task.ownsDirectory) await makeTaskDirectory(task.directory);
  }

  /** Takes the snapshot that changes are compared with. A task that resumes after a restart has one already. */
  async begin(task: Task): Promise<void> {
    if (task.promptId !== undefined) return;
    const outside = this.#watchesRepository(task)
      ? this.#tracker.captureOutside(task.id, task.directory).catch(this.#onOutsideError(task))
      : undefined;
    await this.#tracker.begin(task.id, task.directory, { empty: task.ownsDirectory && !task.continues });
    await outside;
  }

  /**
   * Takes the final snapshot and returns the changes; none where no tool ran. Adds a warning for changes outside of the
   * folder in its repository.
   */
  async finish(task: Task, toolsRan: boolean, warnings: TaskEventBody[]): Promise<FileChange[]> {
    const finished = this.#tracker.finish(task.id, task.directory);
    if (toolsRan) {
      const outside = this.#outsideWarnings(task); // never rejects
      await finished;
      warnings.push(...(await outside));
      return this.changes(task);
    }
    const background = finished
      .catch((thrown) =>
        this.#options.logger.warn(
          { ...logFields(task), err: messageOf(thrown) },
          'the final snapshot failed',
        ),
      )
      .finally(() => this.#background.delete(background));
    this.#background.add(background);
    return [];
  }

  /** The changes of the task: all of them where it has ended, else those so far. */
  async changes(task: Task): Promise<FileChange[]> {
    return (await this.#tracker.changes(task.id, task.directory)).map(toFileChange);
  }

  async #outsideWarnings(task: Task): Promise<TaskEventBody[]> {
    if (!this.#watchesRepository(task)) return [];
    const found = this.#tracker.changedOutside(task.id, task.directory).catch(this.#onOutsideError(task));
    return outsideChanges(await found);
  }

  /** A folder that the bridge created has no repository around it, and a container sees nothing but its folder. */
  #watchesRepository({ ownsDirectory, runner }: Task): boolean {
    return !ownsDirectory && runner !== DOCKER;
  }

  #onOutsideError(task: Task): (thrown: unknown) => undefined {
    return (thrown) => {
      const text = 'changes outside of the task folder cannot be detected';
      this.#options.logger.warn({ ...logFields(task), err: messageOf(thrown) }, text);
    };
  }

  patch(task: Task, path: string | undefined, maxBytes: number, from?: number): Promise<PatchPage> {
    return this.#tracker.patch(task.id, task.directory, path, maxBytes, from);
  }

  list(
    task: Task,
    path: string | undefined,
    from?: number,
  ): Promise<{ entries: DirectoryEntry[]; truncated: boolean }> {
    return listDirectory(task.directory, path, from);
  }

  read(
    task: Task,
    path: string,
    offset: number | undefined,
    limit: number | undefined,
  ): Promise<TaskFilePage> {
    return readTaskFile(task.directory, path, { offset, limit, maxSize: this.#options.maxFileSize });
  }

  /** Opens a file for reading any part of it. */
  open(task: Task, path: string): Promise<OpenFile> {
    return openTaskFile(task.directory, path, 'path');
  }

  /** A tar archive of what the task added and modified, or of its whole folder. */
  async archive(task: Task, whole: boolean): Promise<Readable> {
    if (whole) return archive(task.directory, await allFiles(task.directory));
    const changes = await this.changes(task);
    const there = changes.filter(({ change }) => change !== 'deleted').map(({ path }) => path);
    return archive(task.directory, there);
  }

  /** Removes the snapshots of a task, and the folder that was created for it unless `keepDirectory`. */
  async remove(
    { id, directory }: Pick<Task, 'id' | 'directory'>,
    keepDirectory: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { workspaceDir, logger } = this.#options;
    const paths = keepDirectory ? [] : await moveToTrash(directory, workspaceDir);
    await this.#tracker.remove(id, paths, signal);
    if (paths) return;
    logger.warn(
      { taskId: id, directory },
      'the folder of a removed task is not in WORKSPACE_DIR and is left alone',
    );
  }

  /** Resolves when the last snapshot is written. */
  async close(): Promise<void> {
    await Promise.all(this.#background);
  }
}

function toFileChange({ path, change, additions, deletions }: Change): FileChange {
  return { path, change, additions, deletions };
}

function outsideChanges(found: { root: string; paths: string[] } | undefined): TaskEventBody[] {
  if (found === undefined || found.paths.length === 0) return [];
  const { root, paths } = found;
  const names = paths.slice(0, MAX_NAMES).map((path) => cut(printable(path), NAME_LENGTH));
  const more = paths.length > MAX_NAMES ? ` and ${paths.length - MAX_NAMES} more` : '';
  const message = `While the task ran, files changed in ${cut(root, 200)} outside of its directory. ${paths.length} files: ${names.join(', ')}${more}.`;
  return [{ kind: 'warning', code: 'OUTSIDE_CHANGES', message }];
}
