import { z } from 'zod';
import { messagedSchema, messageFields, messageTask } from '../../api/message-task.ts';
import { defineRoute, NONE } from '../route.ts';
import { taskParams } from './params.ts';

export const messageRoute = defineRoute({
  method: 'post',
  path: '/tasks/{task_id}/messages',
  operationId: 'sendMessage',
  summary: 'Say something to the agent that works on a task',
  params: taskParams,
  query: NONE,
  body: z.strictObject(messageFields),
  success: [
    { status: 200, about: 'The message is stored.', content: { 'application/json': messagedSchema } },
  ],
  errors: ['TASK_NOT_FOUND', 'INVALID_STATE', 'UNSUPPORTED', 'PAYLOAD_TOO_LARGE'],
  async run({ services, agentId, params, body }) {
    const task = await services.execution.find(agentId, params.task_id);
    return { json: await messageTask(services, task, body) };
  },
});
