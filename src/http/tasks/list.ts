import { z } from 'zod';
import { listTasks, listTasksFields } from '../../api/list-tasks.ts';
import { writeCursor } from '../../api/task-states.ts';
import { taskStateSchema, viewTaskState } from '../../api/task-view.ts';
import { defineRoute, NONE } from '../route.ts';

const taskListSchema = z.object({
  tasks: z.array(taskStateSchema),
  next_cursor: z.string().optional(),
  events_cursor: z.string().describe('With it GET /events goes on from this answer.'),
});

export const listRoute = defineRoute({
  method: 'get',
  path: '/tasks',
  operationId: 'listTasks',
  summary: 'List your tasks, newest first',
  params: NONE,
  query: z.strictObject(listTasksFields),
  body: NONE,
  success: [{ status: 200, about: 'A page of tasks.', content: { 'application/json': taskListSchema } }],
  errors: [],
  async run({ services, agentId, query }) {
    // Read first: a change while the list is read comes again as an event.
    const events_cursor = writeCursor(await services.execution.position());
    return { json: { ...(await listTasks(services, agentId, query, viewTaskState)), events_cursor } };
  },
});
