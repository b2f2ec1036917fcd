import type { ComponentChildren } from 'preact';
import type { TaskDetail } from '../../api/task.ts';
import { href, taskPath } from '../../links.ts';
import { formatCost, formatCount } from '../../parts/amount.ts';
import { CopyButton } from '../../parts/copy-button.tsx';
import { visible } from '../../parts/plain-text.ts';
import { Age } from '../../parts/time.tsx';
import { tokensOf, usageInWords } from './usage.ts';

/** What is used up to now, and how the task was handed over. */
export function Facts({ task }: { task: TaskDetail }) {
  const { usage, limits, model, agent, continues } = task;
  return (
    <dl class="task-facts">
      <Fact name="Agent">{visible(task.agent_id)}</Fact>
      <Fact name="Cost">
        <Limited value={usage.cost_usd} limit={limits.max_cost_usd} format={formatCost} />
      </Fact>
      <Fact name="Tokens" title={usageInWords(usage)}>
        <Limited value={tokensOf(usage)} limit={limits.max_tokens} format={formatCount} />
      </Fact>
      {model && <Fact name="Model">{visible(model)}</Fact>}
      {agent && <Fact name="OpenCode agent">{visible(agent)}</Fact>}
      <Fact name="Handed over">
        <Age at={task.created_at} /> ago
      </Fact>
      <Fact name="Directory">
        <code>{visible(task.directory)}</code> <CopyButton text={task.directory} label="the directory" />
      </Fact>
      {continues && (
        <Fact name="Continues">
          <a href={href(taskPath(continues))}>{continues}</a>
        </Fact>
      )}
    </dl>
  );
}

function Fact({ name, title, children }: { name: string; title?: string; children: ComponentChildren }) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Limited(props: { value: number; limit: number | undefined; format: (value: number) => string }) {
  const { value, limit, format } = props;
  return (
    <>
      <span class="number">{format(value)}</span>
      {limit !== undefined && (
        <span class={value > 0.9 * limit ? 'near-limit' : 'muted'}> of {format(limit)}</span>
      )}
    </>
  );
}
