import { z } from 'zod';
import { BridgeError, quote } from '../errors.ts';
import { TASK_STATUSES, type Task, type TaskOwner } from '../tasks/task.ts';
import { shortText } from './inputs.ts';
import { jsonSize, rowsThatFit } from './pages.ts';
import type { ApiServices } from './services.ts';
import { taskRowSchema } from './task-view.ts';

const MAX_LIMIT = 100;
/** Most characters of the tasks in one answer. */
const MAX_ROWS = 60_000;

export const listTasksFields = {
  status: z.enum(TASK_STATUSES).optional(),
  limit: z.int().min(1).max(MAX_LIMIT).default(20),
  cursor: shortText.optional(),
};

/** Which of the owner's tasks; times are epoch milliseconds. */
export interface ListTasks
  extends Omit<Parameters<ApiServices['execution']['list']>[0], 'agentId' | 'before'> {
  cursor?: string | undefined;
}

export const taskListSchema = z.object({
  tasks: z.array(taskRowSchema),
  next_cursor: z.string().optional(),
});

/** How much a page may hold, and how much of that a row takes. */
export interface PageSize<R> {
  max: number;
  sizeOf: (row: R) => number;
}

/** A page of the owner's tasks as rows of a view, newest first. */
export async function listTasks<R extends { task_id: string }>(
  { execution }: ApiServices,
  agentId: TaskOwner,
  { cursor, limit, ...query }: ListTasks,
  view: (task: Task) => R,
  { max, sizeOf }: PageSize<R> = { max: MAX_ROWS, sizeOf: jsonSize },
): Promise<{ tasks: R[]; next_cursor?: string | undefined }> {
  if (cursor !== undefined && !/^task_[0-9a-z]+$/.test(cursor)) throw notACursor(cursor);
  const { tasks: found, next } = await execution.list({ ...query, agentId, limit, before: cursor });
  const tasks = rowsThatFit(found.map(view), max, sizeOf);
  return { tasks, next_cursor: found.length > tasks.length ? tasks.at(-1)?.task_id : next };
}

function notACursor(cursor: string): BridgeError {
  return new BridgeError('INVALID_INPUT', `\`cursor\` ${quote(cursor)} is not a cursor of this list.`, {
    next: 'Give the next_cursor of an earlier answer, or leave it out to start with the newest task.',
  });
}
