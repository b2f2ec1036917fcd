import { z } from 'zod';
import { eventJson } from '../../api/event-json.ts';
import { eventPage, eventPageFields, eventPageSchema, eventSchema, matches } from '../../api/event-page.ts';
import { BridgeError, quote } from '../../errors.ts';
import { isEnd, type Task } from '../../tasks/task.ts';
import { negotiateFormat } from '../content-negotiation.ts';
import { defineRoute, NONE, type Reply, type RouteCall } from '../route.ts';
import { ServerSentEvents } from '../server-sent-events.ts';
import { taskParams } from './params.ts';

const query = z.strictObject(eventPageFields);
type Query = z.output<typeof query>;

export const eventsRoute = defineRoute({
  method: 'get',
  path: '/tasks/{task_id}/events',
  operationId: 'listEvents',
  summary: 'The events of a task: a page, or a live stream',
  about:
    'With `Accept: text/event-stream` a stream of server-sent events: the stored events, then each new one; `id` is `seq`, and the stream ends after the end of the task. A reconnect after that gets 204, so that an EventSource stops.',
  params: taskParams,
  query,
  body: NONE,
  requestHeaders: { 'Last-Event-ID': 'Stream: goes on after this event, instead of `after_seq`.' },
  success: [
    {
      status: 200,
      about: 'A page of events, or the stream.',
      content: { 'application/json': eventPageSchema, 'text/event-stream': eventSchema },
    },
    { status: 204, about: 'Stream: the task has ended, and there are no more events.' },
  ],
  errors: ['TASK_NOT_FOUND'],
  async run(call) {
    const { services, agentId, params, query, req } = call;
    const task = await services.execution.find(agentId, params.task_id);
    if (negotiateFormat(req) === 'stream') return stream(task, call);
    return { json: await eventPage(task, query, services) };
  },
});

async function stream(task: Task, call: RouteCall<unknown, Query>): Promise<Reply | undefined> {
  const { services, query, req, res, streams } = call;
  const afterSeq = lastEventId(req.headers['last-event-id']) ?? query.after_seq;
  if (isEnd(task.status) && afterSeq >= task.lastSeq) return { status: 204 };
  const events = new ServerSentEvents(res, streams);
  if (req.method === 'HEAD') return void events.end();
  const signal = AbortSignal.any([call.signal, call.ending]);
  for await (const event of services.execution.follow(task, afterSeq, signal)) {
    if (!matches(event, query)) continue;
    if (!events.send({ id: String(event.seq), json: eventJson(event) })) await events.drained();
  }
  events.end();
  return undefined;
}

function lastEventId(header: unknown): number | undefined {
  if (header === undefined || header === '') return undefined;
  const seq = z.coerce.number().int().min(0).safeParse(header);
  if (seq.success) return seq.data;
  throw new BridgeError('INVALID_INPUT', `Last-Event-ID ${quote(header)} is not the id of an event.`, {
    next: 'Send the last id of this stream, or none to begin at the first event.',
  });
}
