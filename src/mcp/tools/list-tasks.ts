import { z } from 'zod';
import { BridgeError, quote } from '../../errors.ts';
import { oneLine } from '../../tasks/describe-event.ts';
import { TASK_STATUSES, type Task } from '../../tasks/task.ts';
import { agentId, shortText } from '../inputs.ts';
import { rowsThatFit } from '../pages.ts';
import { iso } from '../task-view.ts';
import { defineTool, READ_ONLY } from '../tool.ts';

const MAX_LIMIT = 100;
/** JSON characters of the tasks in one answer. */
const MAX_ROWS = 60_000;

const row = z.object({
  task_id: z.string(),
  status: z.enum(TASK_STATUSES),
  created_at: z.string(),
  ended_at: z.string().optional(),
  directory: z.string(),
  description: z.string(),
  summary: z.string().optional(),
});

/** The caller's tasks, newest first. */
export const listTasks = defineTool({
  name: 'list_tasks',
  title: 'List tasks',
  description: 'Your tasks, newest first, to find a task_id again.',
  input: z.strictObject({
    agent_id: agentId,
    status: z.enum(TASK_STATUSES).optional(),
    limit: z.int().min(1).max(MAX_LIMIT).default(20),
    cursor: shortText.optional(),
  }),
  output: z.object({ tasks: z.array(row), next_cursor: z.string().optional() }),
  annotations: READ_ONLY,
  async run({ status, limit, cursor }, call) {
    if (cursor !== undefined && !/^task_[0-9a-z]+$/.test(cursor)) throw notACursor(cursor);
    const found = await call.services.execution.list(call.agentId(), status, limit + 1, cursor);
    const tasks = rowsThatFit(found.slice(0, limit).map(rowOf), MAX_ROWS);
    const next_cursor = found.length > tasks.length ? tasks.at(-1)?.task_id : undefined;
    const lines = tasks.map((it) => `${it.task_id} ${it.status} ${it.created_at} ${it.description}`);
    const more = next_cursor === undefined ? [] : [`More: call again with cursor "${next_cursor}".`];
    return {
      structured: { tasks, next_cursor },
      text: [`${tasks.length} tasks.`, ...lines, ...more].join('\n'),
    };
  },
});

function rowOf(task: Task): z.infer<typeof row> {
  return {
    task_id: task.id,
    status: task.status,
    created_at: new Date(task.createdAt).toISOString(),
    ended_at: iso(task.endedAt),
    directory: task.directory,
    description: oneLine(task.description, 120),
    summary: task.result && oneLine(task.result.summary, 200),
  };
}

function notACursor(cursor: string): BridgeError {
  return new BridgeError('INVALID_INPUT', `\`cursor\` ${quote(cursor)} is not a cursor of this list.`, {
    next: 'Give the next_cursor of an earlier answer, or leave it out to start with the newest task.',
  });
}
