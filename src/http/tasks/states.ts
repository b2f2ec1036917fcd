import { z } from 'zod';
import { shortText } from '../../api/inputs.ts';
import { taskStates } from '../../api/task-states.ts';
import { taskStateSchema } from '../../api/task-view.ts';
import { defineRoute, NONE } from '../route.ts';
import { ServerSentEvents } from '../server-sent-events.ts';

export const statesRoute = defineRoute({
  method: 'get',
  path: '/events',
  operationId: 'followTasks',
  summary: 'A live stream of the states of all your tasks',
  about:
    'Server-sent events. Each has `{"tasks": [...], "removed": [...]}`: the rows that changed, as GET /tasks shows them, the ids of tasks that are gone, and a cursor as its `id`. Without a cursor it begins with all tasks that have not ended. With one it also tells what was removed since, of the last 10,000 removals.',
  params: NONE,
  query: z.strictObject({ cursor: shortText.optional() }),
  body: NONE,
  requestHeaders: { 'Last-Event-ID': 'As `cursor`: goes on after this message.' },
  success: [
    {
      status: 200,
      about: 'The stream.',
      content: {
        'text/event-stream': z.object({ tasks: z.array(taskStateSchema), removed: z.array(z.string()) }),
      },
    },
  ],
  errors: [],
  async run({ services, agentId, query, req, res, streams, signal, ending }) {
    const header = req.headers['last-event-id'];
    const cursor = typeof header === 'string' && header !== '' ? header : query.cursor;
    const states = await taskStates(services, agentId, cursor, AbortSignal.any([signal, ending]));
    const events = new ServerSentEvents(res, streams);
    if (req.method === 'HEAD') return void events.end();
    for await (const { cursor: id, ...data } of states) {
      if (!events.send({ id, json: JSON.stringify(data) })) await events.drained();
    }
    events.end();
    return undefined;
  },
});
