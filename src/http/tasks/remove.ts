import { defineRoute, NONE } from '../route.ts';
import { taskParams } from './params.ts';

export const removeRoute = defineRoute({
  method: 'delete',
  path: '/tasks/{task_id}',
  operationId: 'removeTask',
  summary: 'Remove a task that has ended, with all that is stored for it',
  about:
    'Its events, its snapshot and the folder that the bridge made for it go; a folder of your own stays. A repeat is 204 too, until the bridge restarts.',
  params: taskParams,
  query: NONE,
  body: NONE,
  success: [{ status: 204, about: 'The task is removed.' }],
  errors: ['TASK_NOT_FOUND', 'INVALID_STATE'],
  async run({ services, agentId, params, removed }) {
    if (removed.has(agentId, params.task_id)) return { status: 204 };
    const task = await services.execution.find(agentId, params.task_id);
    await services.execution.remove(task);
    removed.add(task.agentId, params.task_id);
    return { status: 204 };
  },
});
