import { z } from 'zod';
import { answeredSchema, answerFields, answerRequest } from '../../api/answer-request.ts';
import { defineRoute, NONE } from '../route.ts';
import { ROUTE_NAMES } from '../route-names.ts';
import { requestParams } from './params.ts';

export const answerRoute = defineRoute({
  method: 'post',
  path: '/tasks/{task_id}/requests/{request_id}',
  operationId: 'answerRequest',
  summary: 'Answer a permission or a question of a task',
  about: '`reply` answers a permission, `answers` a question.',
  params: requestParams,
  query: NONE,
  body: z.strictObject(answerFields),
  needsBody: true,
  success: [
    { status: 200, about: 'The request is closed.', content: { 'application/json': answeredSchema } },
  ],
  errors: ['TASK_NOT_FOUND', 'REQUEST_NOT_FOUND', 'REQUEST_CLOSED', 'INVALID_STATE', 'UNSUPPORTED'],
  async run({ services, agentId, params, body }) {
    const task = await services.execution.find(agentId, params.task_id);
    return { json: await answerRequest(services, task, params.request_id, body, ROUTE_NAMES) };
  },
});
