import { z } from 'zod';
import { commaSeparated, shortText } from '../../api/inputs.ts';
import { listTasks, listTasksFields } from '../../api/list-tasks.ts';
import { writeCursor } from '../../api/task-states.ts';
import { taskStateSchema, viewTaskState } from '../../api/task-view.ts';
import { TASK_STATUSES } from '../../tasks/task.ts';
import { defineRoute, NONE } from '../route.ts';

/** An instant in ISO 8601, as epoch milliseconds. */
const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

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
  query: z.strictObject({
    ...listTasksFields,
    status: commaSeparated(TASK_STATUSES).optional(),
    text: shortText.optional(),
    created_after: time.optional(),
    created_before: time.optional(),
  }),
  body: NONE,
  success: [{ status: 200, about: 'A page of tasks.', content: { 'application/json': taskListSchema } }],
  errors: [],
  async run({ services, agentId, query }) {
    const { status: statuses, created_after, created_before, ...rest } = query;
    const wanted = { ...rest, statuses, createdAfter: created_after, createdBefore: created_before };
    // Read first: a change while the list is read comes again as an event.
    const events_cursor = writeCursor(await services.execution.position());
    return { json: { ...(await listTasks(services, agentId, wanted, viewTaskState)), events_cursor } };
  },
});
