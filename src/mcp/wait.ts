import { waitForTask } from '../api/wait-for-task.ts';
import { describeEvent } from '../tasks/describe-event.ts';
import type { Task } from '../tasks/task.ts';
import { LiveLine } from './live-line.ts';
import { ProgressTicker } from './progress.ts';
import { DEFAULT_TOOL_LIMITS, type ToolCall } from './tool.ts';

interface Wait {
  /** Events up to this sequence number are not reported as progress. */
  afterSeq: number;
  ms: number;
  isOver(task: Task): boolean;
}

/**
 * Waits until `isOver`, for at most `ms`, or until the call is cancelled or its session ends; sends progress meanwhile.
 * Resolves with the task as it is then.
 */
export async function waitFor(task: Task, call: ToolCall, { afterSeq, ms, isOver }: Wait): Promise<Task> {
  const { limits = DEFAULT_TOOL_LIMITS } = call.services;
  const ticker = call.progress && new ProgressTicker(call.progress, limits);
  const ending = new AbortController();
  const stop = (): void => ending.abort();
  if (call.ending.aborted) stop();
  call.ending.addEventListener('abort', stop);
  const live = new LiveLine();
  try {
    return await waitForTask(task, call.services, {
      afterSeq,
      ms: Math.min(ms, limits.maxWaitMs),
      isOver,
      signal: AbortSignal.any([call.signal, ending.signal]),
      onEvent(event, { progress }) {
        const line = describeEvent(event);
        if (line !== undefined) ticker?.report(line, progress);
      },
      onLive:
        ticker &&
        ((frame) => {
          const line = live.after(frame);
          if (line !== undefined) ticker.report(line, undefined);
        }),
    });
  } finally {
    call.ending.removeEventListener('abort', stop);
    await ticker?.close();
  }
}
