import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { href, taskPath } from '../../links.ts';
import { ProblemNote } from '../../parts/problem.tsx';
import { query, setQuery } from '../../router.ts';
import type { TaskLog } from '../task-log.ts';
import { ChangeSet } from './change-set.ts';
import { Choice } from './choice.tsx';
import { Counts } from './counts.tsx';
import { DownloadButton } from './download-button.tsx';
import { treeRows } from './file-tree.ts';
import { FolderTree } from './folder-tree.tsx';
import { Overview } from './overview.tsx';
import { SelectedFile } from './selected-file.tsx';
import { Tree, toggled } from './tree.tsx';
import './changes.css';

/** What a task changed: files, diff and contents. `file`, `files` and `show` of the query say what is shown. */
export function Changes({ log }: { log: TaskLog }) {
  const { taskId } = log;
  const changes = useMemo(() => new ChangeSet(taskId), [taskId]);
  useEffect(() => changes.follow(log), [changes, log]);
  const files = query.value.get('files') === 'all' ? 'all' : 'changed';
  const selected = query.value.get('file') ?? undefined;
  const hrefInAll = useCallback((path: string) => hrefOf(taskId, path, 'all'), [taskId]);
  return (
    <div class="changes">
      <nav class="files" aria-label="Files">
        <Summary changes={changes} taskId={taskId} />
        <Choice
          label="Which files"
          options={[
            ['changed', 'Changed'],
            ['all', 'All files'],
          ]}
          value={files}
          onChange={(value) => setQuery({ files: value === 'all' ? 'all' : undefined })}
        />
        {files === 'all' ? (
          <FolderTree
            taskId={taskId}
            selected={selected}
            revision={changes.revision.value}
            hrefOf={hrefInAll}
          />
        ) : (
          <ChangedTree changes={changes} taskId={taskId} selected={selected} />
        )}
      </nav>
      <div class="shown">
        {selected === undefined ? (
          <Overview changes={changes} log={log} />
        ) : (
          <SelectedFile changes={changes} taskId={taskId} path={selected} />
        )}
      </div>
    </div>
  );
}

/** The link to a file in the changes of a task. */
function hrefOf(taskId: string, path: string, files: 'all' | 'changed'): string {
  const parameters = new URLSearchParams({ tab: 'changes', ...(files === 'all' && { files }), file: path });
  return href(`${taskPath(taskId)}?${parameters}`);
}

/** How much changed, and all of it as an archive. */
function Summary({ changes, taskId }: { changes: ChangeSet; taskId: string }) {
  const files = changes.files.value ?? [];
  const sum = (side: 'additions' | 'deletions'): number =>
    files.reduce((total, file) => total + (file[side] ?? 0), 0);
  const count = changes.total.value;
  return (
    <p class="summary">
      <a href={href(`${taskPath(taskId)}?tab=changes`)}>
        {count.toLocaleString()} {count === 1 ? 'file' : 'files'}
      </a>
      <Counts additions={sum('additions')} deletions={sum('deletions')} />
      {files.some(({ change }) => change !== 'deleted') && (
        <DownloadButton label="Download all" path={`${taskPath(taskId)}/archive`} name={`${taskId}.tar`} />
      )}
    </p>
  );
}

function ChangedTree({
  changes,
  taskId,
  selected,
}: {
  changes: ChangeSet;
  taskId: string;
  selected: string | undefined;
}) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const files = changes.files.value;
  const rows = useMemo(() => treeRows(files ?? [], closed), [files, closed]);
  const isOpen = useCallback((path: string) => !closed.has(path), [closed]);
  const onToggle = useCallback((path: string) => setClosed((known) => toggled(known, path)), []);
  const hrefInChanged = useCallback((path: string) => hrefOf(taskId, path, 'changed'), [taskId]);
  const unlisted = changes.total.value - (files?.length ?? 0);
  if (changes.problem.value) return <ProblemNote problem={changes.problem.value} />;
  if (!files) return <p class="muted note">Loading…</p>;
  return (
    <>
      <Tree
        label="Changed files"
        rows={rows}
        selected={selected}
        isOpen={isOpen}
        onToggle={onToggle}
        hrefOf={hrefInChanged}
      />
      {unlisted > 0 && <p class="muted note">{unlisted.toLocaleString()} more files are not listed.</p>}
    </>
  );
}
