import { useComputed } from '@preact/signals';
import type { TaskRow } from '../api/task.ts';
import { href, taskPath } from '../links.ts';
import { formatCost, formatCount } from '../parts/amount.ts';
import { visible } from '../parts/plain-text.ts';
import { Status } from '../parts/status.tsx';
import { Age, Elapsed } from '../parts/time.tsx';
import { folderName } from './folder-name.ts';
import type { TaskList } from './task-list.ts';

/** A row: what is to be done is the link, and covers the whole row. */
export function TaskItem({ list, id }: { list: TaskList; id: string }) {
  const tabIndex = useComputed(() => (list.tabStop.value === id ? 0 : -1));
  const row = list.row(id)?.value;
  if (!row) return null;
  const stateId = `state-${id}`;
  return (
    <li class="task-item" data-task={id} data-status={row.status}>
      <span class="task-state" id={stateId}>
        <Status status={row.status} />
        {row.open_requests > 1 && <span class="number muted"> {row.open_requests}</span>}
      </span>
      <div class="task-what">
        <a href={href(taskPath(id))} tabIndex={tabIndex} aria-describedby={stateId}>
          {visible(row.description)}
        </a>
        {row.summary && row.ended_at && <p class="task-summary muted">{visible(row.summary)}</p>}
      </div>
      <Where row={row} />
      <Progress percent={row.ended_at ? undefined : row.progress} />
      <span class="task-cost number" title={`${row.tokens.toLocaleString()} tokens`}>
        {row.tokens > 0 && (
          <>
            {formatCost(row.cost_usd)} <span class="muted">{formatCount(row.tokens)}</span>
          </>
        )}
      </span>
      <span class="task-time">
        <span class="visually-hidden">Ran </span>
        {row.started_at ? <Elapsed from={row.started_at} to={row.ended_at} /> : <span class="muted">–</span>}
      </span>
      <span class="task-age muted">
        <Age at={row.created_at} />
        <span class="visually-hidden"> ago</span>
      </span>
    </li>
  );
}

/** Whose task it is, and what was chosen for it. */
function Where({ row }: { row: TaskRow }) {
  const model = row.model?.split('/').at(-1);
  const short = [row.agent_id, folderName(row), row.agent, model].filter(Boolean).join(' · ');
  const whole = [row.agent_id, row.directory, row.agent, row.model].filter(Boolean).join('\n');
  return (
    <span class="task-where muted" title={visible(whole)}>
      {visible(short)}
    </span>
  );
}

function Progress({ percent }: { percent: number | undefined }) {
  return (
    <span class="task-progress">
      {percent !== undefined && (
        <>
          <progress max={100} value={percent} aria-label="Progress" />
          <span class="number muted">{Math.round(percent)} %</span>
        </>
      )}
    </span>
  );
}
