import { toBridgeError } from '../errors.ts';
import type { FileChange } from '../tasks/events.ts';
import { isEnd, type Task } from '../tasks/task.ts';
import type { DirectoryEntry } from '../workspaces/files.ts';
import { rowsThatFit } from './pages.ts';
import type { ApiServices } from './services.ts';

/** A page of rows; `next` is the number of the first row that is not in it, absent on the last page. */
export interface Page<T> {
  rows: T[];
  next?: number | undefined;
}

/** A page of the entries of a folder of a task, from row `from` on, of at most `maxChars` characters as JSON. */
export async function folderPage(
  task: Task,
  path: string,
  from: number,
  maxChars: number,
  { execution }: ApiServices,
): Promise<Page<DirectoryEntry>> {
  const { entries, truncated } = await execution.files.list(task, path, from);
  const rows = rowsThatFit(entries, maxChars);
  return { rows, next: truncated || rows.length < entries.length ? from + rows.length : undefined };
}

/** The same of the files that a task changed, with their number; `path`: only that file or what is below it. */
export async function changesPage(
  task: Task,
  path: string | undefined,
  from: number,
  maxChars: number,
  { execution: { files } }: ApiServices,
): Promise<Page<FileChange> & { total: number }> {
  const all = await unlessUnbegun<FileChange[]>(task, () => files.changes(task), []);
  const changed = path === undefined ? all : all.filter((change) => isAt(change.path, path));
  const rest = changed.slice(from);
  const rows = rowsThatFit(rest, maxChars);
  return { rows, next: rows.length < rest.length ? from + rows.length : undefined, total: changed.length };
}

/** At most `bytes` bytes of the patch of a task, or of a path in it, from byte `from` on. */
export function patchFrom(
  task: Task,
  path: string | undefined,
  bytes: number,
  from: number,
  { execution: { files } }: ApiServices,
): Promise<{ patch: string; truncated: boolean; end: number }> {
  const none = { patch: '', truncated: false, end: from };
  return unlessUnbegun(task, () => files.patch(task, path, bytes, from), none);
}

/** A task that has not begun to work has changed nothing. */
async function unlessUnbegun<T>(task: Task, ask: () => Promise<T>, nothing: T): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    const unbegun = !isEnd(task.status) || task.startedAt === undefined;
    if (unbegun && toBridgeError(thrown).code === 'NOT_FOUND') return nothing;
    throw thrown;
  }
}

function isAt(file: string, path: string): boolean {
  const folder = path.replace(/^\.\/|\/+$/g, '');
  return folder === '.' || folder === '' || file === folder || file.startsWith(`${folder}/`);
}
