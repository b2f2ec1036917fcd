import { z } from 'zod';
import { agentId } from '../../api/inputs.ts';
import { listTasks as list, listTasksFields, taskListSchema } from '../../api/list-tasks.ts';
import { viewTaskRow } from '../../api/task-view.ts';
import { defineTool, READ_ONLY } from '../tool.ts';

/** The caller's tasks, newest first. */
export const listTasks = defineTool({
  name: 'list_tasks',
  title: 'List tasks',
  description: 'Your tasks, newest first, to find a task_id again.',
  input: z.strictObject({ agent_id: agentId, ...listTasksFields }),
  output: taskListSchema,
  annotations: READ_ONLY,
  async run({ status, limit, cursor }, call) {
    const query = { statuses: status && [status], limit, cursor };
    const structured = await list(call.services, call.agentId(), query, viewTaskRow);
    const { tasks, next_cursor } = structured;
    const lines = tasks.map((it) => `${it.task_id} ${it.status} ${it.created_at} ${it.description}`);
    const more = next_cursor === undefined ? [] : [`More: call again with cursor "${next_cursor}".`];
    return { structured, text: [`${tasks.length} tasks.`, ...lines, ...more].join('\n') };
  },
});
