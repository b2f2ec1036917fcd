import { z } from 'zod';
import { taskId } from '../../api/inputs.ts';
import { identityOf } from '../access.ts';
import { defineRoute, NONE } from '../route.ts';

export const ticketRoute = defineRoute({
  method: 'post',
  path: '/tickets',
  operationId: 'createTicket',
  summary: 'A ticket with which a browser opens the WebSocket of a task',
  about: 'Valid for 30 s, once, and for this task only: `ws://…/tasks/{task_id}/stream?ticket=…`.',
  params: NONE,
  query: NONE,
  body: z.strictObject({ task_id: taskId }),
  success: [
    {
      status: 201,
      about: 'The ticket.',
      content: { 'application/json': z.object({ ticket: z.string(), expires_at: z.string() }) },
    },
  ],
  errors: ['TASK_NOT_FOUND', 'RATE_LIMITED'],
  async run({ services, tickets, req, agentId, body }) {
    const task = await services.execution.find(agentId, body.task_id);
    const { ticket, expiresAt } = tickets.issue(task.id, task.agentId, identityOf(req)?.ended);
    return { status: 201, json: { ticket, expires_at: new Date(expiresAt).toISOString() } };
  },
});
