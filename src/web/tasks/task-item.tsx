import { useComputed } from '@preact/signals';
import { useState } from 'preact/hooks';
import type { TaskRow } from '../api/task.ts';
import { href, taskPath } from '../links.ts';
import { formatCost, formatCount } from '../parts/amount.ts';
import { visible } from '../parts/plain-text.ts';
import { statusLabel } from '../parts/status-label.ts';
import { Age, Elapsed } from '../parts/time.tsx';
import { folderName } from './folder-name.ts';
import type { TaskList } from './task-list.ts';

/**
 * A row: what is to be done is the link, and covers the whole row. One component for all but the clocks: one for each
 * part of a row would take the browser longer to make than it saves when a part changes.
 */
export function TaskItem({ list, id }: { list: TaskList; id: string }) {
  const tabIndex = useComputed(() => (list.tabStop.value === id ? 0 : -1));
  // The first number that a browser formats costs it 15 ms.
  const [isHovered, setHovered] = useState(false);
  const row = list.row(id)?.value;
  if (!row) return null;
  const { status, open_requests, started_at, ended_at, summary, tokens } = row;
  const stateId = `state-${id}`;
  return (
    <li class="task-item" data-task={id} data-status={status}>
      <span class="task-state" id={stateId}>
        <span class={`status status-${status}`}>{statusLabel(status)}</span>
        {open_requests > 1 && <span class="number muted"> {open_requests}</span>}
      </span>
      <div class="task-what">
        <a href={href(taskPath(id))} tabIndex={tabIndex} aria-describedby={stateId}>
          {visible(row.description)}
        </a>
        {summary !== undefined && <p class="task-summary muted">{visible(summary)}</p>}
      </div>
      <span class="task-where muted" title={visible(wholeOrigin(row))}>
        {visible(shortOrigin(row))}
      </span>
      <span class="task-progress">{progress(row)}</span>
      <span
        class="task-cost number"
        title={isHovered ? `${tokens.toLocaleString()} tokens` : undefined}
        onPointerEnter={() => setHovered(true)}
      >
        {tokens > 0 && (
          <>
            {formatCost(row.cost_usd)} <span class="muted">{formatCount(tokens)}</span>
          </>
        )}
      </span>
      <span class="task-time">
        <span class="visually-hidden">Ran </span>
        {started_at ? <Elapsed from={started_at} to={ended_at} /> : <span class="muted">–</span>}
      </span>
      <span class="task-age muted">
        <Age at={row.created_at} />
        <span class="visually-hidden"> ago</span>
      </span>
    </li>
  );
}

/** Whose task it is, and what was chosen for it. */
function shortOrigin(row: TaskRow): string {
  const model = row.model?.split('/').at(-1);
  return [row.agent_id, folderName(row), row.agent, model].filter(Boolean).join(' · ');
}

function wholeOrigin({ agent_id, directory, agent, model }: TaskRow): string {
  return [agent_id, directory, agent, model].filter(Boolean).join('\n');
}

function progress({ ended_at, progress }: TaskRow) {
  if (ended_at || progress === undefined) return null;
  return (
    <>
      <progress max={100} value={progress} aria-label="Progress" />
      <span class="number muted">{Math.round(progress)} %</span>
    </>
  );
}
