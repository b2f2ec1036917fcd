import { basename, dirname } from 'node:path';
import { BridgeError, quote } from '../errors.ts';
import type { TaskStore } from '../store/task-store.ts';
import type { Task } from '../tasks/task.ts';
import type { ExecutionLimits } from './create-task-input.ts';
import type { FairQueue } from './queue.ts';

/** How long an idempotency key is valid, counted from the first call. */
export const KEY_LIFETIME_MS = 24 * 60 * 60 * 1000;
const QUEUE_RETRY_SECONDS = 30;

/** The task of an agent's idempotency key; throws IDEMPOTENCY_CONFLICT if the key was used for another input. */
export function repeatedTask(
  store: TaskStore,
  agentId: string,
  key: string | undefined,
  fingerprint: string,
  now: number,
): Task | undefined {
  if (key === undefined) return undefined;
  const found = store.findByKey(agentId, key, now - KEY_LIFETIME_MS);
  if (!found || found.fingerprint === fingerprint) return found?.task;
  throw new BridgeError(
    'IDEMPOTENCY_CONFLICT',
    `\`idempotency_key\` ${quote(key)} was used for another request (task ${found.task.id}) less than 24 h ago.`,
    { next: 'Use a new key for new work, or repeat the first request unchanged to get its task.' },
  );
}

/** The task, if a new one can continue in its session; throws INVALID_INPUT or INVALID_STATE. */
export function requireContinuable(
  store: TaskStore,
  task: Task,
  directory: string | undefined,
  runner: string,
): Task {
  if (directory !== undefined && directory !== task.directory) {
    throw new BridgeError(
      'INVALID_INPUT',
      `\`directory\` ${quote(directory)} is not the directory of ${task.id}.`,
      {
        next: 'Omit `directory`: a task that continues another works in the same directory.',
      },
    );
  }
  if (task.sessionId === undefined) {
    const text = `Task ${task.id} never reached OpenCode, so nothing can be continued.`;
    throw new BridgeError('INVALID_STATE', text, { reason: { kind: 'no_session' } });
  }
  if (task.runner !== runner) {
    const text = `Task ${task.id} ran on ${task.runner}; this bridge runs ${runner}, which does not have its session.`;
    throw new BridgeError('INVALID_STATE', text, {
      next: 'Start a new task in the same `directory`, and describe in it what was done before.',
    });
  }
  const open = store.unfinished().find(({ sessionId }) => sessionId === task.sessionId);
  if (!open) return task;
  throw new BridgeError('INVALID_STATE', `Task ${open.id} is still running in the session of ${task.id}.`, {
    reason: { kind: 'session_busy', taskId: open.id },
  });
}

/** Whether a folder is, or is inside, one that was created for a task of another agent. */
export function isForeign(store: TaskStore, agentId: string, path: string): boolean {
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
    const task = store.get(basename(folder));
    if (task?.ownsDirectory && task.directory === folder) return task.agentId !== agentId;
  }
  return false;
}

/** Throws INVALID_INPUT for a folder that is, or is inside, one that goes with a task that is being removed. */
export function requireKept(store: TaskStore, path: string): void {
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
    if (!store.isRemovedFolder(folder)) continue;
    throw new BridgeError(
      'INVALID_INPUT',
      `directory ${quote(path, 200)} belongs to a task that was removed.`,
      {
        next: 'Use another folder, or leave directory out to get a new one.',
      },
    );
  }
}

/** Throws QUEUE_FULL if one more task of the agent could neither run nor wait. `closed`: why none may start now. */
export function assertCapacity(
  { maxConcurrent, maxQueued, maxQueuedPerAgent = maxQueued }: ExecutionLimits,
  running: number,
  queue: FairQueue,
  agentId: string,
  closed: string | undefined,
): void {
  if (closed === undefined && running < maxConcurrent) return;
  if (queue.size >= maxQueued) {
    throw queueFull(
      closed === undefined
        ? `${maxConcurrent} tasks run and ${maxQueued} wait (MAX_CONCURRENT_TASKS, MAX_QUEUED_TASKS)`
        : `${closed}, and ${maxQueued} tasks wait (MAX_QUEUED_TASKS)`,
    );
  }
  if (queue.sizeOf(agentId) >= maxQueuedPerAgent) {
    throw queueFull(
      `${maxQueuedPerAgent} tasks of agent ${quote(agentId)} wait (MAX_QUEUED_TASKS_PER_AGENT)`,
    );
  }
}

function queueFull(why: string): BridgeError {
  return new BridgeError('QUEUE_FULL', `${why}; nothing was stored.`, {
    next: `Try again in ${QUEUE_RETRY_SECONDS} s.`,
    retryAfterSeconds: QUEUE_RETRY_SECONDS,
  });
}

/** The model that a task inherits from the one it continues, unless OpenCode did not know it. */
export function inheritedModel(previous: Task | undefined): string | undefined {
  return previous?.error?.code === 'MODEL_NOT_FOUND' ? undefined : previous?.model;
}

/** The agent that a task inherits from the one it continues, unless OpenCode did not know it. */
export function inheritedAgent(previous: Task | undefined): string | undefined {
  return previous?.error?.code === 'AGENT_NOT_FOUND' ? undefined : previous?.agent;
}
