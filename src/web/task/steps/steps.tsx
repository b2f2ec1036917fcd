import { useComputed } from '@preact/signals';
import { hasEnded } from '../../api/task.ts';
import { visible } from '../../parts/plain-text.ts';
import { Age, Elapsed } from '../../parts/time.tsx';
import type { TaskLog } from '../task-log.ts';
import { type Step, stepsOf } from './step-list.ts';
import './steps.css';

const MARKS: Record<string, string> = { pending: '○', in_progress: '◐', completed: '●', cancelled: '✕' };
const WORDS: Record<string, string> = {
  pending: 'to do',
  in_progress: 'in progress',
  completed: 'done',
  cancelled: 'cancelled',
};

/** The todo list of the agent. */
export function Steps({ log }: { log: TaskLog }) {
  const list = useComputed(() => {
    log.version.value;
    return stepsOf(log.events);
  });
  const task = log.task.value;
  if (!list.value) return <p class="muted">The agent has written no list of steps.</p>;
  const { steps, done, counted, at } = list.value;
  const differ = steps.some(({ priority }) => priority !== steps[0]?.priority);
  const end = task && hasEnded(task.status) ? task.ended_at : undefined;
  return (
    <div class="steps">
      <p>
        <progress value={done} max={Math.max(1, counted)} aria-label="Steps that are done" /> {done} of{' '}
        {counted} done
        <span class="muted">
          {' '}
          · written <Age at={at} /> ago
        </span>
      </p>
      <ol>
        {steps.map((step, index) => (
          <StepRow key={index} step={step} end={end} isUrgent={differ && step.priority === 'high'} />
        ))}
      </ol>
    </div>
  );
}

function StepRow({
  step: { content, status, startedAt, endedAt },
  end,
  isUrgent,
}: {
  step: Step;
  end: string | undefined;
  isUrgent: boolean;
}) {
  const isKnown = Object.hasOwn(MARKS, status);
  return (
    <li class={isKnown ? `step-${status}` : undefined}>
      <span class="mark" aria-hidden="true">
        {isKnown ? MARKS[status] : '·'}
      </span>
      <span class="content">{visible(content)}</span>
      {isUrgent && <span class="priority">high</span>}
      <span class="state">
        {isKnown ? WORDS[status] : visible(status)}
        {startedAt && (
          <>
            {' · '}
            <Elapsed from={startedAt} to={endedAt ?? end} />
          </>
        )}
      </span>
    </li>
  );
}
