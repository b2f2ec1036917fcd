import type { TaskEvent } from '../../api/task.ts';

/** A step of the agent's list, with the times that its list showed. */
export interface Step {
  content: string;
  /** `pending`, `in_progress`, `completed`, `cancelled`, or what else an agent writes. */
  status: string;
  priority: string;
  /** ISO 8601; when it was first seen in progress, and when it was first seen done. */
  startedAt?: string;
  endedAt?: string;
}

export interface StepList {
  steps: Step[];
  done: number;
  /** Those that count: without the cancelled ones. */
  counted: number;
  /** When the agent last wrote the list. */
  at: string;
}

/** The newest list of steps in the events; undefined before the agent has written one. A step is known by its words. */
export function stepsOf(events: Iterable<TaskEvent>): StepList | undefined {
  let times = new Map<string, Pick<Step, 'startedAt' | 'endedAt'>>();
  let newest: StepList | undefined;
  for (const event of events) {
    if (event.kind !== 'todo') continue;
    const steps = event.items.map((item) => ({
      ...item,
      ...timesOf(item.status, times.get(item.content), event.at),
    }));
    times = new Map(steps.map((step) => [step.content, step]));
    const counted = steps.filter(({ status }) => status !== 'cancelled');
    const done = counted.filter(({ status }) => status === 'completed').length;
    newest = { steps, done, counted: counted.length, at: event.at };
  }
  return newest;
}

function timesOf(
  status: string,
  before: Pick<Step, 'startedAt' | 'endedAt'> | undefined,
  at: string,
): Pick<Step, 'startedAt' | 'endedAt'> {
  const startedAt = before?.startedAt ?? (status === 'in_progress' ? at : undefined);
  const isOver = status === 'completed' || status === 'cancelled';
  const endedAt = isOver ? (before?.endedAt ?? at) : undefined;
  return { ...(startedAt && { startedAt }), ...(endedAt && { endedAt }) };
}
