import { setImmediate as turn } from 'node:timers/promises';
import type { TaskPage, TaskQuery, TaskStore } from '../store/task-store.ts';
import type { Task } from '../tasks/task.ts';

/** A search reads 20,000 tasks, or 50 million characters of descriptions, at most. */
const MAX_STEPS = 100;

/**
 * A page of the owner's tasks, newest first. The event loop runs between two steps of the store. A search that finds too
 * little in MAX_STEPS returns what it has found, and the page that follows continues it.
 */
export async function listTasks(store: TaskStore, query: TaskQuery): Promise<TaskPage> {
  const tasks: Task[] = [];
  let { before } = query;
  for (let step = 1; ; step += 1) {
    const page = store.list({ ...query, before, limit: query.limit - tasks.length });
    tasks.push(...page.tasks);
    const { next } = page;
    if (next === undefined || tasks.length === query.limit || step === MAX_STEPS) return { tasks, next };
    before = next;
    await turn();
  }
}
