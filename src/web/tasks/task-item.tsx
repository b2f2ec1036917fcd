import { type ReadonlySignal, useComputed } from '@preact/signals';
import type { TaskRow } from '../api/task.ts';
import { href, taskPath } from '../links.ts';
import { formatCost, formatCount } from '../parts/amount.ts';
import { visible } from '../parts/plain-text.ts';
import { Status } from '../parts/status.tsx';
import { Age, Elapsed } from '../parts/time.tsx';
import { folderName } from './folder-name.ts';
import type { TaskList } from './task-list.ts';

/** A row: what is to be done is the link, and covers the whole row. What changes is drawn part by part. */
export function TaskItem({ list, id }: { list: TaskList; id: string }) {
  const tabIndex = useComputed(() => (list.tabStop.value === id ? 0 : -1));
  const row = list.row(id);
  const status = useComputed(() => row?.value.status);
  if (!row) return null;
  const { description, created_at } = row.peek();
  const stateId = `state-${id}`;
  return (
    <li class="task-item" data-task={id} data-status={status}>
      <State row={row} id={stateId} />
      <div class="task-what">
        <a href={href(taskPath(id))} tabIndex={tabIndex} aria-describedby={stateId}>
          {visible(description)}
        </a>
        <Summary row={row} />
      </div>
      <Where row={row} />
      <Progress row={row} />
      <Cost row={row} />
      <Ran row={row} />
      <span class="task-age muted">
        <Age at={created_at} />
        <span class="visually-hidden"> ago</span>
      </span>
    </li>
  );
}

interface PartProps {
  row: ReadonlySignal<TaskRow>;
}

/** The row, for a part that is drawn again only when `part` differs. */
function useRow(row: ReadonlySignal<TaskRow>, part: (row: TaskRow) => string | number | undefined): TaskRow {
  useComputed(() => part(row.value)).value;
  return row.peek();
}

function State({ row, id }: PartProps & { id: string }) {
  const { status, open_requests } = useRow(row, (now) => `${now.status} ${now.open_requests}`);
  return (
    <span class="task-state" id={id}>
      <Status status={status} />
      {open_requests > 1 && <span class="number muted"> {open_requests}</span>}
    </span>
  );
}

function Summary({ row }: PartProps) {
  const { summary } = useRow(row, ({ ended_at, summary }) => ended_at && summary);
  return summary === undefined ? null : <p class="task-summary muted">{visible(summary)}</p>;
}

/** Whose task it is, and what was chosen for it. */
function Where({ row }: PartProps) {
  const known = row.peek();
  const model = known.model?.split('/').at(-1);
  const short = [known.agent_id, folderName(known), known.agent, model].filter(Boolean).join(' · ');
  const whole = [known.agent_id, known.directory, known.agent, known.model].filter(Boolean).join('\n');
  return (
    <span class="task-where muted" title={visible(whole)}>
      {visible(short)}
    </span>
  );
}

function Progress({ row }: PartProps) {
  const percent = useComputed(() => (row.value.ended_at ? undefined : row.value.progress)).value;
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

function Cost({ row }: PartProps) {
  const { tokens, cost_usd } = useRow(row, (now) => `${now.tokens} ${now.cost_usd}`);
  return (
    <span class="task-cost number" title={`${tokens.toLocaleString()} tokens`}>
      {tokens > 0 && (
        <>
          {formatCost(cost_usd)} <span class="muted">{formatCount(tokens)}</span>
        </>
      )}
    </span>
  );
}

function Ran({ row }: PartProps) {
  const { started_at, ended_at } = useRow(row, (now) => `${now.started_at} ${now.ended_at}`);
  return (
    <span class="task-time">
      <span class="visually-hidden">Ran </span>
      {started_at ? <Elapsed from={started_at} to={ended_at} /> : <span class="muted">–</span>}
    </span>
  );
}
