import { z } from 'zod';
import { CONTROLS, controlledSchema, controlTask } from '../../api/control-task.ts';
import { reason } from '../../api/inputs.ts';
import { defineRoute, NONE } from '../route.ts';
import { ROUTE_NAMES } from '../route-names.ts';
import { taskParams } from './params.ts';

const SUMMARIES = {
  cancel: 'End a task',
  pause: 'Interrupt a task',
  resume: 'Let a paused task go on',
} as const;

/** `POST /tasks/{task_id}/cancel`, `/pause` and `/resume`. */
export const controlRoutes = CONTROLS.map((control) =>
  defineRoute({
    method: 'post',
    path: `/tasks/{task_id}/${control}`,
    operationId: `${control}Task`,
    summary: SUMMARIES[control],
    params: taskParams,
    query: NONE,
    body: z.strictObject({ reason: reason.optional() }),
    success: [
      {
        status: 200,
        about: 'Done; also where it was so before.',
        content: { 'application/json': controlledSchema },
      },
    ],
    errors: ['TASK_NOT_FOUND', 'INVALID_STATE', 'UNSUPPORTED'],
    async run({ services, agentId, params, body }) {
      const task = await services.execution.find(agentId, params.task_id);
      return { json: await controlTask(services, task, control, body.reason, ROUTE_NAMES) };
    },
  }),
);
