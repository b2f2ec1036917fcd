import { useEffect, useMemo } from 'preact/hooks';
import { ProblemNote } from '../parts/problem.tsx';
import { query } from '../router.ts';
import { Connection } from './connection.tsx';
import { TaskHeader } from './header/task-header.tsx';
import { Requests } from './requests/requests.tsx';
import { Steering } from './steering/steering.tsx';
import { Tabs } from './tabs.tsx';
import { TaskLog } from './task-log.ts';
import './task.css';

/** `/tasks/{task_id}`. */
export function TaskPage({ taskId }: { taskId: string }) {
  const log = useMemo(() => new TaskLog(taskId), [taskId]);
  useEffect(() => {
    void log.start();
    return () => log.close();
  }, [log]);
  const problem = log.problem.value;
  if (!log.task.value) return problem ? <ProblemNote problem={problem} /> : <p class="muted">Loading…</p>;
  return (
    <article class="task">
      <TaskHeader log={log} />
      <Connection log={log} />
      <Requests log={log} />
      <Tabs log={log} selected={query.value.get('tab') ?? 'output'} />
      <Steering log={log} />
    </article>
  );
}
