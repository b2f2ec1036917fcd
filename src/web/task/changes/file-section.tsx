import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { FileChange } from '../../../tasks/events.ts';
import { CopyButton } from '../../parts/copy-button.tsx';
import { visibleName } from '../../parts/plain-text.ts';
import { ProblemNote } from '../../parts/problem.tsx';
import type { ChangeSet } from './change-set.ts';
import { Counts } from './counts.tsx';
import { DiffView, type Layout } from './diff-view.tsx';
import { DownloadButton } from './download-button.tsx';
import { filePath } from './load-file.ts';

/** A file with more changed lines is shown when somebody asks for it. */
const MAX_OPEN = 500;

interface HeadProps {
  taskId: string;
  path: string;
  change?: FileChange | undefined;
  children?: ComponentChildren;
}

/** The name of a file, what happened to it, and what can be done with it. */
export function FileHead({ taskId, path, change, children }: HeadProps) {
  return (
    <div class="file-head">
      <bdi class="mono name">{visibleName(path)}</bdi>
      <Counts additions={change?.additions} deletions={change?.deletions} />
      {change && <span class={`change change-${change.change}`}>{change.change}</span>}
      <span class="actions">
        {children}
        <CopyButton label="path" text={path} />
        {change?.change !== 'deleted' && (
          <DownloadButton
            label="Download"
            path={filePath(taskId, path)}
            name={path.slice(path.lastIndexOf('/') + 1)}
          />
        )}
      </span>
    </div>
  );
}

interface DiffProps {
  changes: ChangeSet;
  path: string;
  layout: Layout;
}

/** The diff of a file of a change set. */
export function FileDiffView({ changes, path, layout }: DiffProps) {
  const diff = changes.diffs.value.get(path);
  const problem = changes.diffProblem.value;
  const revision = changes.revision.value;
  const isSingle = diff === undefined || diff.single;
  useEffect(() => {
    if (isSingle && revision > 0) void changes.load(path);
  }, [changes, path, isSingle, revision]);
  if (diff) return <DiffView diff={diff} layout={layout} />;
  return problem ? <ProblemNote problem={problem} /> : <p class="muted note">Loading…</p>;
}

/** A file among all that changed, which can be folded. */
export function FileSection({
  changes,
  change,
  layout,
  taskId,
  href,
}: Omit<DiffProps, 'path'> & { change: FileChange; taskId: string; href: string }) {
  const lines = (change.additions ?? 0) + (change.deletions ?? 0);
  const [isOpen, setOpen] = useState(lines <= MAX_OPEN);
  return (
    <section class="file" aria-label={visibleName(change.path)}>
      <FileHead taskId={taskId} path={change.path} change={change}>
        <button type="button" class="quiet" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? 'Fold' : 'Unfold'}
        </button>
        <a href={href}>Open</a>
      </FileHead>
      {isOpen && <FileDiffView changes={changes} path={change.path} layout={layout} />}
      {!isOpen && <p class="muted note">{lines.toLocaleString()} changed lines.</p>}
    </section>
  );
}
