import { messageOf, printable } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { FileChange, TaskEventBody } from '../tasks/events.ts';
import type { Task } from '../tasks/task.ts';
import { cut } from '../text.ts';
import { type Change, ChangeTracker, type ChangeTrackerOptions } from './changes/change-tracker.ts';
import type { PatchPage } from './changes/patch-page.ts';
import { type DirectoryEntry, listDirectory, readTaskFile, type TaskFilePage } from './files.ts';
import { makeTaskDirectory, resolveTaskDirectory, type TaskDirectory } from './resolve-directory.ts';
import { moveToTrash } from './trash.ts';

const DOCKER = 'docker';
const NAMED = 20;
const NAME_LIMIT = 100;

export interface TaskFilesOptions {
  workspaceDir: string;
  roots: readonly string[];
  snapshotsDir: string;
  /** Bytes of a file that one answer holds at most. */
  maxFileSize: number;
  env: ChangeTrackerOptions['env'];
  logger: Logger;
}

/** The folders of tasks: where they are, what a task changed in one, what its files hold. */
export class TaskFiles {
  readonly #options: TaskFilesOptions;
  readonly #tracker: ChangeTracker;
  readonly #background = new Set<Promise<void>>();

  constructor(options: TaskFilesOptions) {
    const { snapshotsDir, env } = options;
    this.#options = options;
    this.#tracker = new ChangeTracker({ snapshotsDir, env });
  }

  /** Where a new task works; makes nothing, and finds nothing that `isForeign` tells to be somebody else's. */
  resolve(
    taskId: string,
    requested: string | undefined,
    isForeign: (path: string) => boolean,
  ): Promise<TaskDirectory> {
    const { workspaceDir, roots } = this.#options;
    return resolveTaskDirectory({ requested, taskId, workspaceDir, roots, isForeign });
  }

  /** Makes the task's folder, if it is one of ours. */
  async prepare(task: Task): Promise<void> {
    if (task.ownsDirectory) await makeTaskDirectory(task.directory);
  }

  /** Remembers the folder as the task finds it; of a task that is taken up again it is known already. */
  async begin(task: Task): Promise<void> {
    if (task.promptId !== undefined) return;
    const outside = this.#tellsOutside(task)
      ? this.#tracker.captureOutside(task.id, task.directory).catch(this.#unknownOutside(task))
      : undefined;
    await this.#tracker.begin(task.id, task.directory, { empty: task.ownsDirectory && !task.continues });
    await outside;
  }

  /**
   * Remembers the folder as the task leaves it, and tells the difference; no tool, no difference. What changed
   * outside of it in its repository is added to `warnings`.
   */
  async finish(task: Task, toolsRan: boolean, warnings: TaskEventBody[]): Promise<FileChange[]> {
    const finished = this.#tracker.finish(task.id, task.directory);
    if (toolsRan) {
      const outside = this.#outside(task); // never rejects
      await finished;
      warnings.push(...(await outside));
      return this.changes(task);
    }
    const background = finished
      .catch((thrown) =>
        this.#options.logger.warn({ taskId: task.id, err: messageOf(thrown) }, 'no final snapshot'),
      )
      .finally(() => this.#background.delete(background));
    this.#background.add(background);
    return [];
  }

  /** What the task has changed so far, or in all. */
  async changes(task: Task): Promise<FileChange[]> {
    return (await this.#tracker.changes(task.id, task.directory)).map(toFileChange);
  }

  async #outside(task: Task): Promise<TaskEventBody[]> {
    if (!this.#tellsOutside(task)) return [];
    const found = this.#tracker.changedOutside(task.id, task.directory).catch(this.#unknownOutside(task));
    return outsideChanges(await found);
  }

  /** A folder of the bridge's own has no repository around it; a container has nothing but its folder. */
  #tellsOutside({ ownsDirectory, runner }: Task): boolean {
    return !ownsDirectory && runner !== DOCKER;
  }

  #unknownOutside({ id }: Task): (thrown: unknown) => undefined {
    return (thrown) => {
      const text = 'what changes outside of the folder is not known';
      this.#options.logger.warn({ taskId: id, err: messageOf(thrown) }, text);
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

  /** Removes what is kept of a task, and with it the folder that was made for it, unless that `stays`. */
  async remove(
    { id, directory }: Pick<Task, 'id' | 'directory'>,
    stays: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { workspaceDir, logger } = this.#options;
    const paths = stays ? [] : await moveToTrash(directory, workspaceDir);
    await this.#tracker.remove(id, paths, signal);
    if (paths) return;
    logger.warn(
      { taskId: id, directory },
      'the folder of a removed task is not in WORKSPACE_DIR and is left alone',
    );
  }

  /** Resolves when nothing is being written any more. */
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
  const names = paths.slice(0, NAMED).map((path) => cut(printable(path), NAME_LIMIT));
  const more = paths.length > NAMED ? ` and ${paths.length - NAMED} more` : '';
  const message = `While the task ran, something changed in ${cut(root, 200)} outside of its directory, ${paths.length} files: ${names.join(', ')}${more}.`;
  return [{ kind: 'warning', code: 'OUTSIDE_CHANGES', message }];
}
