import { useState } from 'preact/hooks';
import type { TaskDetail } from '../../api/task.ts';
import { CopyButton } from '../../parts/copy-button.tsx';
import { visible } from '../../parts/plain-text.ts';
import { setQuery } from '../../router.ts';

/** A summary that is longer is folded. */
const LONG = 400;

/** How the task ended: why not well, and the last words of the model. */
export function Outcome({ task: { status, error, result } }: { task: TaskDetail }) {
  if (!error && !result) return null;
  return (
    <section class="task-outcome" aria-label="Result">
      {error && (
        <div class={status === 'cancelled' ? 'task-end' : 'problem task-end'}>
          <p>
            {visible(error.message)} {error.code !== 'CANCELLED' && <code class="muted">{error.code}</code>}
          </p>
          {error.next && <p class="muted">{visible(error.next)}</p>}
        </div>
      )}
      {result && <Summary text={visible(result.summary)} />}
      {result && <Facts result={result} />}
    </section>
  );
}

function Summary({ text }: { text: string }) {
  const [whole, setWhole] = useState(false);
  if (text.trim() === '') return null;
  const isLong = text.length > LONG || text.split('\n').length > 6;
  return (
    <div class="task-summary-text">
      <div class="task-summary-box">
        <pre class={isLong && !whole ? 'folded' : ''}>{text}</pre>
        <CopyButton text={text} label="the result" />
      </div>
      {isLong && (
        <button type="button" class="quiet" aria-expanded={whole} onClick={() => setWhole(!whole)}>
          {whole ? 'Less' : 'More'}
        </button>
      )}
    </div>
  );
}

function Facts({ result }: { result: NonNullable<TaskDetail['result']> }) {
  const { files_changed_total: files, exit_code, processes_left = [] } = result;
  return (
    <p class="task-result-facts muted">
      {files > 0 ? (
        <button type="button" class="link" onClick={() => setQuery({ tab: 'changes' }, { push: true })}>
          {files === 1 ? '1 changed file' : `${files.toLocaleString()} changed files`}
        </button>
      ) : (
        'No changed files'
      )}
      {exit_code !== undefined && exit_code !== 0 && <span> · exit code {exit_code}</span>}
      {processes_left.length > 0 && (
        <span title={visible(processes_left.map(({ command }) => command).join('\n'))}>
          {' '}
          · {processes_left.length === 1 ? 'a process was' : `${processes_left.length} processes were`} left
          running
        </span>
      )}
    </p>
  );
}
