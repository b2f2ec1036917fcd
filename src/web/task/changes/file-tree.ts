import type { FileChange } from '../../../tasks/events.ts';

/** A row of the tree of changed files. */
export interface TreeRow {
  kind: 'folder' | 'file';
  /** Of a folder without a slash at its end. */
  path: string;
  /** What of the path is shown; a folder that has only one folder in it is shown together with it. */
  name: string;
  /** From 1. */
  level: number;
  /** Sums of a folder; absent if every file in it is binary. */
  additions?: number;
  deletions?: number;
  /** Of a file. */
  change?: FileChange['change'];
}

interface Folder {
  folders: Map<string, Folder>;
  files: FileChange[];
}

/** The rows of the tree, folders first, each in order of names; what is in `closed` folders is left out. */
export function treeRows(changes: readonly FileChange[], closed: ReadonlySet<string>): TreeRow[] {
  const rows: TreeRow[] = [];
  addRows(rows, folderOf(changes), '', 1, closed);
  return rows;
}

function folderOf(changes: readonly FileChange[]): Folder {
  const root: Folder = { folders: new Map(), files: [] };
  for (const change of changes) {
    let folder = root;
    for (const name of change.path.split('/').slice(0, -1)) {
      const inner: Folder = folder.folders.get(name) ?? { folders: new Map(), files: [] };
      folder.folders.set(name, inner);
      folder = inner;
    }
    folder.files.push(change);
  }
  return root;
}

function addRows(
  rows: TreeRow[],
  folder: Folder,
  prefix: string,
  level: number,
  closed: ReadonlySet<string>,
): Sums {
  const total: Sums = {};
  for (const [name, inner] of sorted(folder.folders)) {
    const joined = joinSingle(name, inner);
    const path = prefix + joined.name;
    const row: TreeRow = { kind: 'folder', path, name: joined.name, level };
    rows.push(row);
    const isClosed = closed.has(path);
    const sums = addRows(isClosed ? [] : rows, joined.folder, `${path}/`, level + 1, closed);
    Object.assign(row, sums);
    add(total, sums);
  }
  const files = folder.files.map((file): [string, FileChange] => [file.path.slice(prefix.length), file]);
  for (const [name, { path, change, additions, deletions }] of sorted(new Map(files))) {
    const sums: Sums = {
      ...(additions !== undefined && { additions }),
      ...(deletions !== undefined && { deletions }),
    };
    rows.push({ kind: 'file', path, name, level, change, ...sums });
    add(total, sums);
  }
  return total;
}

interface Sums {
  additions?: number;
  deletions?: number;
}

function add(total: Sums, { additions, deletions }: Sums): void {
  if (additions !== undefined) total.additions = (total.additions ?? 0) + additions;
  if (deletions !== undefined) total.deletions = (total.deletions ?? 0) + deletions;
}

/** `src` with nothing but `web` in it is shown as `src/web`. */
function joinSingle(name: string, folder: Folder): { name: string; folder: Folder } {
  let joined = { name, folder };
  for (;;) {
    const [only, ...others] = joined.folder.folders;
    if (!only || others.length > 0 || joined.folder.files.length > 0) return joined;
    joined = { name: `${joined.name}/${only[0]}`, folder: only[1] };
  }
}

function sorted<T>(entries: ReadonlyMap<string, T>): [string, T][] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
