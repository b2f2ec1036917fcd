import type { InputRequest } from '../../api/task.ts';
import { visible } from '../../parts/plain-text.ts';

/** What a permission would allow. */
export function Permission({ request }: { request: InputRequest }) {
  const { title, permission, patterns = [] } = request;
  // The title has the only pattern already, unless it was cut.
  const shown = patterns.filter((pattern) => !title.endsWith(`: ${pattern}`));
  return (
    <>
      {shown.length > 0 && (
        <div class="request-patterns">
          <p class="muted">{shown.length === 1 ? 'Covers' : `Covers these ${shown.length}`}</p>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and by the keys too */}
          <pre tabIndex={0}>{shown.map(visible).join('\n')}</pre>
        </div>
      )}
      {permission && (
        <p class="muted">
          Once: this time only. Always: <code>{visible(permission)}</code> is not asked again for this and the
          like in this directory.
        </p>
      )}
    </>
  );
}
