import { z } from 'zod';
import { listTasks, listTasksFields, taskListSchema } from '../../api/list-tasks.ts';
import { defineRoute, NONE } from '../route.ts';

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
    return { json: await listTasks(services, agentId, query) };
  },
});
