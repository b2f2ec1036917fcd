import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { Problem } from '../../api/problem.ts';
import { taskPath } from '../../links.ts';
import { ProblemNote } from '../../parts/problem.tsx';
import { problemIn } from './change-set.ts';
import type { TreeRow } from './file-tree.ts';
import { Tree, toggled } from './tree.tsx';

/** Entries of a folder that are listed. */
const MAX_ENTRIES = 20_000;

interface Entry {
  path: string;
  type: 'file' | 'directory' | 'symlink';
}

interface FolderTreeProps {
  taskId: string;
  selected: string | undefined;
  revision: number;
  hrefOf: (path: string) => string;
}

/** All files of the folder in which a task works; a folder is read when it is opened. */
export function FolderTree({ taskId, selected, revision, hrefOf }: FolderTreeProps) {
  const [folders, setFolders] = useState<ReadonlyMap<string, readonly Entry[]>>(new Map());
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(['.', ...foldersAbove(selected)]));
  const [problem, setProblem] = useState<Problem | undefined>();
  useEffect(() => {
    const stop = new AbortController();
    for (const path of open) {
      readFolder(taskId, path, stop.signal).then(
        (entries) => setFolders((known) => new Map(known).set(path, entries)),
        (thrown: unknown) => setProblem(problemIn(thrown)),
      );
    }
    return () => stop.abort();
  }, [taskId, open, revision]);
  const rows = useMemo(() => rowsOf(folders, open), [folders, open]);
  const isOpen = useCallback((path: string) => open.has(path), [open]);
  const onToggle = useCallback((path: string) => setOpen((known) => toggled(known, path)), []);
  return (
    <>
      {problem && <ProblemNote problem={problem} />}
      <Tree
        label="All files"
        rows={rows}
        selected={selected}
        isOpen={isOpen}
        onToggle={onToggle}
        hrefOf={hrefOf}
      />
    </>
  );
}

async function readFolder(taskId: string, path: string, signal: AbortSignal): Promise<Entry[]> {
  const entries: Entry[] = [];
  let cursor: number | undefined;
  do {
    const page: { entries?: Entry[]; next_cursor?: number } = await api.get(
      `${taskPath(taskId)}/files`,
      { path, cursor },
      signal,
    );
    entries.push(...(page.entries ?? []));
    cursor = page.next_cursor;
  } while (cursor !== undefined && entries.length < MAX_ENTRIES);
  return entries;
}

function foldersAbove(path: string | undefined): string[] {
  const names = path?.split('/').slice(0, -1) ?? [];
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}

/** Folders first, then files, in the order in which the bridge lists them. */
function rowsOf(folders: ReadonlyMap<string, readonly Entry[]>, open: ReadonlySet<string>): TreeRow[] {
  const rows: TreeRow[] = [];
  const add = (folder: string, level: number): void => {
    const entries = folders.get(folder) ?? [];
    for (const { path } of entries.filter(({ type }) => type === 'directory')) {
      rows.push({ kind: 'folder', path, name: nameOf(path), level });
      if (open.has(path)) add(path, level + 1);
    }
    for (const { path } of entries.filter(({ type }) => type !== 'directory')) {
      rows.push({ kind: 'file', path, name: nameOf(path), level });
    }
  };
  add('.', 1);
  return rows;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
