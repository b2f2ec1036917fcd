import { z } from 'zod';
import { rowsThatFit } from '../../api/pages.ts';
import { taskRowSchema, viewTaskRow } from '../../api/task-view.ts';
import { BridgeError, quote } from '../../errors.ts';
import { TASK_STATUSES } from '../../tasks/task.ts';
import { agentId, shortText } from '../inputs.ts';
import { defineTool, READ_ONLY } from '../tool.ts';

const MAX_LIMIT = 100;
/** JSON characters of the tasks in one answer. */
const MAX_ROWS = 60_000;

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
  output: z.object({ tasks: z.array(taskRowSchema), next_cursor: z.string().optional() }),
  annotations: READ_ONLY,
  async run({ status, limit, cursor }, call) {
    if (cursor !== undefined && !/^task_[0-9a-z]+$/.test(cursor)) throw notACursor(cursor);
    const found = await call.services.execution.list(call.agentId(), status, limit + 1, cursor);
    const tasks = rowsThatFit(found.slice(0, limit).map(viewTaskRow), MAX_ROWS);
    const next_cursor = found.length > tasks.length ? tasks.at(-1)?.task_id : undefined;
    const lines = tasks.map((it) => `${it.task_id} ${it.status} ${it.created_at} ${it.description}`);
    const more = next_cursor === undefined ? [] : [`More: call again with cursor "${next_cursor}".`];
    return {
      structured: { tasks, next_cursor },
      text: [`${tasks.length} tasks.`, ...lines, ...more].join('\n'),
    };
  },
});

function notACursor(cursor: string): BridgeError {
  return new BridgeError('INVALID_INPUT', `\`cursor\` ${quote(cursor)} is not a cursor of this list.`, {
    next: 'Give the next_cursor of an earlier answer, or leave it out to start with the newest task.',
  });
}
