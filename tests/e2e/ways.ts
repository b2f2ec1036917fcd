import { z } from 'zod';
import type { Answer, RestClient } from '../http/rest.ts';
import { SocketClient } from '../http/socket-client.ts';
import type { TestClient } from '../mcp/bridge.ts';

/** What a call came to: its answer, or the code of its error. */
export interface Result {
  code?: string;
  body: Record<string, unknown>;
}

/** One way to the operations of the bridge. */
export interface Way {
  name: string;
  start(input: object): Promise<Result>;
  status(id: string, waitMs?: number): Promise<Result>;
  /** Every event of the task. */
  events(id: string): Promise<{ kind: string; seq: number }[]>;
  control(id: string, what: 'cancel' | 'pause' | 'resume'): Promise<Result>;
  message(id: string, message: string): Promise<Result>;
  answer(id: string, requestId: string, answer: object): Promise<Result>;
  changes(id: string): Promise<unknown>;
  read(id: string, path: string): Promise<string | undefined>;
  list(): Promise<string[]>;
}

const eventsSchema = z.array(z.looseObject({ kind: z.string(), seq: z.number() }));
const rowsSchema = z.array(z.object({ task_id: z.string() }));

export function overMcp(client: TestClient): Way {
  const call = async (name: string, args: Record<string, unknown>): Promise<Result> => {
    const { structured, error } = await client.call(name, args);
    return error ? { code: error.code, body: {} } : { body: structured };
  };
  return {
    name: 'MCP',
    start: (input) => call('opencode_execute_task', { ...input }),
    status: (task_id, wait_ms) => call('get_task_status', { task_id, wait_ms }),
    events: async (task_id) =>
      eventsSchema.parse((await call('get_task_history', { task_id, events_limit: -1 })).body.events),
    control: (task_id, control) => call('send_task_control', { task_id, control }),
    message: (task_id, message) => call('send_task_message', { task_id, message }),
    answer: (task_id, request_id, answer) => call('answer_task_request', { task_id, request_id, ...answer }),
    changes: async (task_id) => (await call('get_task_files', { task_id })).body.changes,
    read: async (task_id, file_path) =>
      z
        .string()
        .optional()
        .parse((await call('read_task_file', { task_id, file_path })).body.content),
    list: async () =>
      rowsSchema.parse((await call('list_tasks', {})).body.tasks).map(({ task_id }) => task_id),
  };
}

export function overRest(api: RestClient): Way {
  const result = ({ status, body }: Answer): Result =>
    status >= 400 ? { code: body.code, body: {} } : { body };
  return {
    name: 'REST',
    start: async (input) => result(await api.post('/tasks/execute', input)),
    status: async (id, waitMs) => {
      if (waitMs !== undefined) await api.get(`/tasks/${id}/status?wait_ms=${waitMs}`);
      return result(await api.get(`/tasks/${id}`));
    },
    events: async (id) =>
      eventsSchema.parse((await api.stream(`/tasks/${id}/events`)).events.map(({ data }) => data)),
    control: async (id, what) => result(await api.post(`/tasks/${id}/${what}`)),
    message: async (id, message) => result(await api.post(`/tasks/${id}/messages`, { message })),
    answer: async (id, requestId, answer) =>
      result(await api.post(`/tasks/${id}/requests/${requestId}`, answer)),
    changes: async (id) => (await api.get(`/tasks/${id}/files`)).body.changes,
    read: async (id, path) => {
      const { status, body } = await api.get(`/tasks/${id}/files/${path}`);
      return status === 200 ? body : undefined;
    },
    list: async () => rowsSchema.parse((await api.get('/tasks')).body.tasks).map(({ task_id }) => task_id),
  };
}

/** Follows and steers by the WebSocket; what it does not offer goes over REST. */
export function overWebSocket(url: string, api: RestClient): Way {
  const socketOf = (id: string, query = ''): SocketClient =>
    new SocketClient(`${url}/tasks/${id}/stream?view=events${query}`);
  const rest = overRest(api);
  /** The answer to one command, on a connection of its own; over REST where the task takes no connection any more. */
  const command = async (
    id: string,
    type: string,
    args: object,
    instead: () => Promise<Result>,
  ): Promise<Result> => {
    const client = socketOf(id, '&after_seq=999999');
    const answer = client.command(type, args).catch(() => undefined);
    const frame = await Promise.race([answer, client.closed.then(() => answer)]);
    client.socket.terminate();
    if (!frame) return instead();
    const { type: kind, code, ...body } = frame;
    return kind === 'error' ? { code, body: {} } : { body };
  };
  return {
    ...rest,
    name: 'WebSocket',
    events: async (id) => {
      const client = socketOf(id);
      await client.closed;
      const stored = client.frames.filter(({ type }) => type === 'event');
      return eventsSchema.parse(stored.map(({ event }) => event));
    },
    control: (id, what) => command(id, what, {}, () => rest.control(id, what)),
    message: (id, message) => command(id, 'message', { message }, () => rest.message(id, message)),
    answer: (id, request_id, answer) =>
      command(id, 'answer', { request_id, ...answer }, () => rest.answer(id, request_id, answer)),
  };
}
