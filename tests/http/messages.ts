import type { TestClient } from '../mcp/bridge.ts';
import { post, request } from './server.ts';

/** The messages that a stream of events carried, once it has ended. */
export async function messagesOf(response: Response | Promise<Response>): Promise<unknown[]> {
  const text = await (await response).text();
  return [...text.matchAll(/^data: (.+)$/gm)].map(([, data = '']) => JSON.parse(data));
}

/** A call that waits for a task, as it stands in a request. */
export function waitCall(task: string, id: number | string = 1, meta: object = {}) {
  const params = { name: 'get_task_status', arguments: { task_id: task, wait_ms: 50_000 }, ...meta };
  return request('tools/call', params, id);
}

/** The same, posted; resolves as soon as its stream is open. */
export async function waitFor(url: string, task: string, headers: Record<string, string>, id?: number) {
  const response = await post(url, waitCall(task, id), headers);
  if (response.status !== 200) throw new Error(`wait: ${response.status} ${await response.text()}`);
  return response;
}

/** A cancellation of the request with this id, as the client sends it. */
export function cancellation(requestId: number | string) {
  return { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } };
}

/** What a waiting call of a real client comes to: its structured answer, or the words of its error. */
export function outcomeOf(client: TestClient, task: string): Promise<Record<string, unknown> | string> {
  const called = client.call('get_task_status', { task_id: task, wait_ms: 50_000 });
  return called.then(
    ({ structured }) => structured,
    (thrown: unknown) => String(thrown),
  );
}

/** What comes within so many milliseconds; undefined where nothing does. */
export function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([promise, new Promise<undefined>((resolve) => setTimeout(resolve, ms, undefined))]);
}
