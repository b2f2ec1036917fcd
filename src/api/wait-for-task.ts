import type { TaskEvent } from '../tasks/events.ts';
import { isLive, type LiveFrame } from '../tasks/live-frame.ts';
import { isEnd, type Task, type TaskStatus } from '../tasks/task.ts';
import type { ApiServices } from './services.ts';

export interface WaitOptions {
  /** Events up to this sequence number are not reported. */
  afterSeq: number;
  /** How long to wait at most. */
  ms: number;
  isOver(task: Task): boolean;
  /** Ends the wait early. */
  signal: AbortSignal;
  /** Called with each event that did not end the wait, and the task after it. */
  onEvent?(event: TaskEvent, task: Task): void;
  /** Called with the live text meanwhile. */
  onLive?: ((frame: LiveFrame) => void) | undefined;
}

/** Waits until `isOver`, for at most `ms` or until `signal` aborts; resolves with the task as it is then. */
export async function waitForTask(
  task: Task,
  { execution }: ApiServices,
  { afterSeq, ms, isOver, signal, onEvent, onLive }: WaitOptions,
): Promise<Task> {
  const current = (): Promise<Task> => execution.find(task.agentId, task.id);
  const before = await current();
  if (isOver(before)) return before;
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), ms);
  try {
    const either = AbortSignal.any([signal, deadline.signal]);
    const followed = onLive
      ? execution.followLive(task, afterSeq, either)
      : execution.follow(task, afterSeq, either);
    for await (const item of followed) {
      if (isLive(item)) {
        onLive?.(item);
        continue;
      }
      const now = await current();
      if (isOver(now)) break;
      onEvent?.(item, now);
    }
  } finally {
    clearTimeout(timer);
  }
  return current();
}

/** Whether a task waits for its caller or shows another status than before. */
export function changedSince(before: Task): (now: Task) => boolean {
  return (now) => isSettled(now) || shownStatus(now) !== shownStatus(before);
}

/** A request that the bridge answers by itself is no change of status. */
function shownStatus({ status }: Task): TaskStatus {
  return status === 'input_required' ? 'running' : status;
}

/** Whether the task can only go on by a call: it has ended or waits for an answer. */
export function isSettled(task: Task): boolean {
  return isEnd(task.status) || needsInput(task);
}

/** Whether a request waits for an answer; the bridge itself answers one that is past its deadline. */
function needsInput({ requests }: Task): boolean {
  return requests.some(({ expires_at }) => expires_at === undefined || expires_at > Date.now());
}
