import { query, setQuery } from '../../router.ts';
import type { ChangeSet } from './change-set.ts';
import { Choice } from './choice.tsx';
import { Content } from './file-content.tsx';
import { FileDiffView, FileHead } from './file-section.tsx';
import { LayoutChoice, layout } from './layout.tsx';

const IMAGE = /\.(?:png|jpe?g|gif|webp|svg|ico)$/i;

/** The file that the address names: its diff if it changed, or its content. */
export function SelectedFile({
  changes,
  taskId,
  path,
}: {
  changes: ChangeSet;
  taskId: string;
  path: string;
}) {
  const change = changes.files.value?.find((file) => file.path === path);
  if (!changes.files.value && !changes.problem.value) return <p class="muted note">Loading…</p>;
  // An image has a diff only as text, or none.
  const usual = change && (change.change === 'deleted' || !IMAGE.test(path)) ? 'diff' : 'content';
  const asked = query.value.get('show');
  const show = change && (asked === 'diff' || asked === 'content') ? asked : usual;
  return (
    <section class="file" aria-label="File">
      <FileHead taskId={taskId} path={path} change={change} />
      {change && (
        <div class="view-bar">
          {change.change !== 'deleted' && (
            <Choice
              label="What to show"
              options={[
                ['diff', 'Diff'],
                ['content', 'File'],
              ]}
              value={show}
              onChange={(value) => setQuery({ show: value === usual ? undefined : value })}
            />
          )}
          {show === 'diff' && <LayoutChoice />}
        </div>
      )}
      {show === 'diff' ? (
        <FileDiffView changes={changes} path={path} layout={layout.value} />
      ) : (
        <Content key={path} taskId={taskId} path={path} revision={changes.revision.value} />
      )}
    </section>
  );
}
