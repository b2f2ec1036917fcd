import { z } from 'zod';
import { type TaskEventKind, taskEventBodySchema } from '../tasks/events.ts';
import { requestViewSchema } from './task-view.ts';

export { viewEvent } from '../tasks/view-event.ts';

/** The fields that `viewEvent` shows in another form than the log has. */
const SHOWN: Partial<Record<TaskEventKind, z.ZodRawShape>> = {
  retrying: { next_at: z.string().describe('Time of the next call, ISO 8601.') },
  request_opened: { request: requestViewSchema.describe('The request.') },
};

/** What `viewEvent` returns, by kind. */
export const eventViewSchemas = taskEventBodySchema.options.map(({ shape, description = '' }) => {
  const kind = shape.kind.value;
  const schema = z.object({
    seq: z.int().min(1).describe('Number of the event, counted from 1 within its task.'),
    at: z.string().describe('When it was stored, ISO 8601.'),
    ...shape,
    ...SHOWN[kind],
  });
  return { kind, schema: schema.describe(description) };
});
