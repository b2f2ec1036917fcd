import { useEffect, useState } from 'preact/hooks';
import { api, Problem } from '../api/client.ts';
import type { TaskDetail } from '../api/task.ts';
import { taskPath } from '../links.ts';
import { ProblemNote } from '../parts/problem.tsx';
import { query } from '../router.ts';
import { setTitle } from '../title.ts';
import { NewTaskForm } from './new-task-form.tsx';
import './new-task.css';

/** `/new`; `?continue=task_…` for a follow-up of that task. */
export function NewTaskPage() {
  const continues = query.value.get('continue') || undefined;
  const [previous, setPrevious] = useState<TaskDetail | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  useEffect(() => setTitle(continues === undefined ? 'New task' : 'Follow-up'), [continues]);
  useEffect(() => {
    setPrevious(undefined);
    setProblem(undefined);
    if (continues === undefined) return;
    const stop = new AbortController();
    api.get<TaskDetail>(taskPath(continues), {}, stop.signal).then(setPrevious, (thrown: unknown) => {
      if (thrown instanceof Problem) setProblem(thrown);
    });
    return () => stop.abort();
  }, [continues]);

  if (problem) return <ProblemNote problem={problem} />;
  if (continues !== undefined && previous?.task_id !== continues) return <p class="muted">Loading…</p>;
  return <NewTaskForm key={continues ?? ''} previous={continues === undefined ? undefined : previous} />;
}
