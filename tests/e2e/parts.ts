import { openDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteTaskStore } from '../../src/store/sqlite/sqlite-task-store.ts';
import type { TaskEvent } from '../../src/tasks/events.ts';
import type { Task } from '../../src/tasks/task.ts';

/** What a bridge that does not run any more has stored: a task, its events, and every task of the same agent. */
export function readStore(
  dataDir: string,
  taskId: string,
): { task: Task; events: TaskEvent[]; tasks: Task[] } {
  const store = new SqliteTaskStore(openDatabase(dataDir));
  try {
    const task = store.get(taskId);
    if (!task) throw new Error(`there is no task ${taskId}`);
    const tasks = store.list({ agentId: task.agentId, limit: 10 }).tasks;
    return { task, events: store.events(taskId, 0, 1_000), tasks };
  } finally {
    store.close();
  }
}

/** What a finished part is told by, for each event that tells of one. */
export function partsOf(events: readonly TaskEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.kind === 'output') return [event.text];
    if (event.kind === 'tool') return [`${event.tool} ${event.phase}`];
    return event.kind === 'file_changed' ? [event.path] : [];
  });
}
