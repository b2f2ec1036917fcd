import { describeEvent } from '../tasks/describe-event.ts';
import { isEnd, type Task } from '../tasks/task.ts';
import { ProgressTicker } from './progress.ts';
import { DEFAULT_TOOL_LIMITS, type ToolCall } from './tool.ts';

interface Wait {
  /** Events up to this one are not told as progress. */
  afterSeq: number;
  ms: number;
  isOver(task: Task): boolean;
}

/**
 * Waits until `isOver`, for at most `ms`, or until the client no longer does or its session ends; answers with the
 * task as it is then.
 */
export async function waitFor(task: Task, call: ToolCall, { afterSeq, ms, isOver }: Wait): Promise<Task> {
  const { execution, limits = DEFAULT_TOOL_LIMITS } = call.services;
  const current = (): Promise<Task> => execution.find(task.agentId, task.id);
  const deadline = new AbortController();
  const stop = (): void => deadline.abort();
  const timer = setTimeout(stop, Math.min(ms, limits.maxWaitMs));
  call.ending.addEventListener('abort', stop);
  const ticker = new ProgressTicker(call);
  try {
    if (isOver(await current()) || call.ending.aborted) return await current();
    const signal = AbortSignal.any([call.signal, deadline.signal]);
    for await (const event of execution.follow(task, afterSeq, signal)) {
      const now = await current();
      // How it ended is told by the answer.
      if (isOver(now)) break;
      const line = describeEvent(event);
      if (line !== undefined) ticker.tell(line, now.progress);
    }
  } finally {
    clearTimeout(timer);
    call.ending.removeEventListener('abort', stop);
    await ticker.close();
  }
  return current();
}

/** Whether nothing more happens without the caller: the task has ended or waits for an answer. */
export function isSettled(task: Task): boolean {
  return isEnd(task.status) || needsInput(task);
}

/** Whether a request waits for somebody; one past its deadline is being answered by the bridge itself. */
function needsInput({ requests }: Task): boolean {
  return requests.some(({ expires_at }) => expires_at === undefined || expires_at > Date.now());
}
