import { z } from 'zod';
import { agentId } from '../../api/inputs.ts';
import { listTasks as list, listTasksFields, taskListSchema } from '../../api/list-tasks.ts';
import { jsonSize } from '../../api/pages.ts';
import { type taskRowSchema, viewTaskRow } from '../../api/task-view.ts';
import { MAX_ANSWER } from '../answer-limits.ts';
import { defineTool, READ_ONLY } from '../tool.ts';

type Row = z.infer<typeof taskRowSchema>;

/** Both forms of a row together. What is left of an answer is for its first and last line and for hints. */
const PAGE = {
  max: MAX_ANSWER - 4_000,
  sizeOf: (row: Row): number => jsonSize(row) + rowText(row).length + ','.length + '\n'.length,
};

/** The caller's tasks, newest first. */
export const listTasks = defineTool({
  name: 'list_tasks',
  title: 'List tasks',
  description: 'Your tasks, newest first, to find a task_id again.',
  input: z.strictObject({ agent_id: agentId, ...listTasksFields }),
  output: taskListSchema,
  annotations: READ_ONLY,
  claude: { searchHint: 'delegated coding tasks' },
  async run({ status, limit, cursor }, call) {
    const query = { statuses: status && [status], limit, cursor };
    const structured = await list(call.services, call.agentId(), query, viewTaskRow, PAGE);
    const { tasks, next_cursor } = structured;
    const lines = tasks.map(rowText);
    const more = next_cursor === undefined ? [] : [`More: call again with cursor "${next_cursor}".`];
    return { structured, text: [`${tasks.length} tasks.`, ...lines, ...more].join('\n') };
  },
});

function rowText({ task_id, status, created_at, ended_at, ...it }: Row): string {
  const times = ended_at === undefined ? created_at : `${created_at} to ${ended_at}`;
  const summary = it.summary ? ` → ${it.summary}` : '';
  return `${task_id} ${status} ${times} ${it.description}${summary}`;
}
