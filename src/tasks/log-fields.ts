import type { Task } from './task.ts';
import { spanOf } from './trace-context.ts';

/** What every line of the log about a task has: whose it is, its trace, and the request that handed it over. */
export function logFields(task: Pick<Task, 'id' | 'agentId' | 'requestId' | 'traceparent'>) {
  const { id, agentId, requestId } = task;
  const { traceId } = spanOf(task);
  return { taskId: id, agentId, traceId, ...(requestId !== undefined && { requestId }) };
}
