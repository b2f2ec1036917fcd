import { useState } from 'preact/hooks';
import { hasEnded } from '../../api/task.ts';
import { href, taskPath } from '../../links.ts';
import type { TaskLog } from '../task-log.ts';
import type { ChangeSet } from './change-set.ts';
import { FileSection } from './file-section.tsx';
import { LayoutChoice, layout } from './layout.tsx';

/** Files that are shown at first, and that each press of the button adds. */
const STEP = 30;

/** The diffs of all files that changed, one below the other. */
export function Overview({ changes, log }: { changes: ChangeSet; log: TaskLog }) {
  const [limit, setLimit] = useState(STEP);
  const files = changes.files.value;
  if (!files) return null;
  if (files.length === 0) {
    const ended = log.task.value && hasEnded(log.task.value.status);
    return <p class="note">{ended ? 'The task changed no files.' : 'No file has changed yet.'}</p>;
  }
  return (
    <>
      <div class="view-bar">
        <LayoutChoice />
      </div>
      {files.slice(0, limit).map((change) => (
        <FileSection
          key={change.path}
          changes={changes}
          change={change}
          layout={layout.value}
          taskId={log.taskId}
          href={href(`${taskPath(log.taskId)}?${new URLSearchParams({ tab: 'changes', file: change.path })}`)}
        />
      ))}
      {files.length > limit && (
        <button type="button" onClick={() => setLimit(limit + STEP)}>
          Show {Math.min(STEP, files.length - limit)} more files
        </button>
      )}
    </>
  );
}
