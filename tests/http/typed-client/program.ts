import createClient from 'openapi-fetch';
import type { components, paths } from './openapi.js';

type Event = components['schemas']['Event'];

/** Runs a task with a client that knows the API only by its OpenAPI document, and grants what it asks for. */
const [baseUrl = '', token = ''] = process.argv.slice(2);
const client = createClient<paths, 'application/json' | 'application/problem+json'>({
  baseUrl,
  headers: { authorization: `Bearer ${token}` },
});

const { data: accepted, error: refused } = await client.POST('/tasks/execute', {
  body: { task_description: 'Write it.', timeout_ms: 60_000 },
});
if (!accepted) throw new Error(`${refused.code}: ${refused.detail}`);
const path = { task_id: accepted.execution_id };

for (;;) {
  const query = { wait_ms: 50_000 };
  const { data: status } = await client.GET('/tasks/{task_id}/status', { params: { path, query } });
  if (!status) throw new Error('no status');
  if (status.status === 'completed') break;
  for (const { id } of status.requests) {
    const params = { path: { ...path, request_id: id } };
    await client.POST('/tasks/{task_id}/requests/{request_id}', { params, body: { reply: 'once' } });
  }
}

const { data: page } = await client.GET('/tasks/{task_id}/events', { params: { path } });
const unknown = await client.GET('/tasks/{task_id}', { params: { path: { task_id: 'task_0' } } });
const lines = page?.events.map(lineOf);
process.stdout.write(JSON.stringify({ lines, unknown: [unknown.response.status, unknown.error?.code] }));

function lineOf(event: Event): string {
  switch (event.kind) {
    case 'request_opened':
      return `${event.kind} ${event.request.id}`;
    case 'tool':
      return `${event.kind} ${event.title} ${event.phase}`;
    case 'completed':
      return `${event.kind} ${event.result.summary}`;
    case 'started':
      // @ts-expect-error: another kind has it
      return `${event.kind}${event.result ?? ''}`;
    default:
      return event.kind;
  }
}

/** Is not called: what the types refuse. */
export async function refusedByTheCompiler(): Promise<void> {
  // @ts-expect-error: not a text
  await client.POST('/tasks/execute', { body: { task_description: 5 } });
  // @ts-expect-error: not a status
  await client.GET('/tasks', { params: { query: { status: ['done'] } } });
  // @ts-expect-error: the path has a parameter
  await client.GET('/tasks/{task_id}', {});
}
