import { BridgeError } from '../errors.ts';
import type { EventOf, InputRequest, TaskError, TaskEvent, TaskResult, Usage } from './events.ts';
import { NO_USAGE } from './events.ts';
import type { ModelConfig } from './model-config.ts';

export const TASK_STATUSES = [
  'queued',
  'running',
  'input_required',
  'paused',
  'completed',
  'failed',
  'timeout',
  'cancelled',
] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

/** The statuses that are final; the events that end a task have the same names. */
export const END_STATUSES = ['completed', 'failed', 'timeout', 'cancelled'] as const;
const ENDS: ReadonlySet<TaskStatus> = new Set(END_STATUSES);

/** Whose tasks: those of one agent, or of every agent (undefined), which only some callers may ask for. */
export type TaskOwner = string | undefined;

/** The state of a task: its events, applied in order. Times are epoch milliseconds. */
export interface Task {
  readonly id: string;
  readonly agentId: string;
  readonly description: string;
  readonly status: TaskStatus;
  readonly runner: string;
  readonly directory: string;
  /** Whether the bridge created the directory, and may therefore delete it. */
  readonly ownsDirectory: boolean;
  readonly model?: string | undefined;
  readonly agent?: string | undefined;
  readonly modelConfig?: ModelConfig | undefined;
  readonly sessionId?: string | undefined;
  readonly promptId?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly callbackUrl?: string | undefined;
  /** X-Request-Id of the request that handed it over. */
  readonly requestId?: string | undefined;
  /** The caller's span, as W3C Trace Context has it. */
  readonly traceparent?: string | undefined;
  readonly continues?: string | undefined;
  readonly observers: readonly string[];
  readonly limits: TaskLimits;
  readonly usage: Usage;
  /** Percent of the todo list that is done; absent until the agent has written one. */
  readonly progress?: number | undefined;
  readonly requests: readonly InputRequest[];
  readonly result?: TaskResult | undefined;
  readonly error?: TaskError | undefined;
  /** The time that counts against the limit: what is used, and since when the clock runs (absent: it is stopped). */
  readonly clock: { readonly usedMs: number; readonly since?: number | undefined };
  readonly createdAt: number;
  readonly startedAt?: number | undefined;
  readonly endedAt?: number | undefined;
  readonly updatedAt: number;
  readonly lastSeq: number;
}

/** The limits of a task; absent: no limit. */
interface TaskLimits {
  readonly timeoutMs: number;
  /** US dollars. */
  readonly maxCostUsd?: number | undefined;
  /** Of all kinds, subagents included. */
  readonly maxTokens?: number | undefined;
}

/** Whether a status is final: no later event changes it. */
export function isEnd(status: TaskStatus): boolean {
  return ENDS.has(status);
}

/** The task after one more event. Throws INVALID_STATE if the event is not allowed in this state. */
export function apply(task: Task | undefined, event: TaskEvent): Task {
  if (event.kind === 'created') {
    if (task) throw misplaced(event, 'the task exists');
    return create(event);
  }
  if (!task) throw misplaced(event, 'the task was never created');
  if (isEnd(task.status)) throw misplaced(event, `the task has ended as ${task.status}`);
  return { ...advance(task, event), updatedAt: event.at, lastSeq: event.seq };
}

function create(event: TaskEvent & EventOf<'created'>): Task {
  return {
    id: event.taskId,
    agentId: event.agent_id,
    description: event.description,
    status: 'queued',
    runner: event.runner,
    directory: event.directory,
    ownsDirectory: event.owns_directory,
    model: event.model,
    agent: event.agent,
    modelConfig: event.model_config,
    sessionId: event.session_id,
    idempotencyKey: event.idempotency_key,
    callbackUrl: event.callback_url,
    requestId: event.request_id,
    traceparent: event.traceparent,
    continues: event.continues,
    observers: event.observers,
    limits: { timeoutMs: event.timeout_ms, maxCostUsd: event.max_cost_usd, maxTokens: event.max_tokens },
    usage: NO_USAGE,
    requests: [],
    clock: { usedMs: 0 },
    createdAt: event.at,
    updatedAt: event.at,
    lastSeq: event.seq,
  };
}

function advance(task: Task, event: TaskEvent): Task {
  switch (event.kind) {
    case 'started':
      return { ...task, status: 'running', startedAt: event.at, clock: { usedMs: 0, since: event.at } };
    case 'attached':
      return { ...task, sessionId: event.session_id, promptId: event.prompt_id };
    case 'todo':
      return { ...task, progress: progressOf(event.items) };
    case 'usage':
      return { ...task, usage: event.usage };
    case 'request_opened':
      return withRequests(task, [...task.requests, event.request]);
    case 'request_closed':
      return withRequests(
        task,
        task.requests.filter(({ id }) => id !== event.request_id),
      );
    case 'paused':
      return { ...task, status: 'paused', clock: { usedMs: usedMs(task, event.at) } };
    case 'resumed': {
      const clock = { usedMs: task.clock.usedMs, since: event.at };
      return withRequests({ ...task, status: 'running', clock }, task.requests);
    }
    case 'completed':
      return end(task, event.at, 'completed', { result: event.result });
    case 'failed':
    case 'timeout':
      return end(task, event.at, event.kind, { result: event.result, error: event.error });
    case 'cancelled':
      return end(task, event.at, 'cancelled', {
        result: event.result,
        error: { code: 'CANCELLED', message: event.reason ?? `Cancelled by ${event.by}.` },
      });
    default:
      return task;
  }
}

/** A paused task stays paused when a request opens or closes: its clock is stopped. */
function withRequests(task: Task, requests: Task['requests']): Task {
  if (task.status !== 'running' && task.status !== 'input_required') return { ...task, requests };
  return { ...task, requests, status: requests.length > 0 ? 'input_required' : 'running' };
}

function end(task: Task, at: number, status: TaskStatus, outcome: Pick<Task, 'result' | 'error'>): Task {
  return { ...task, ...outcome, status, requests: [], endedAt: at, clock: { usedMs: usedMs(task, at) } };
}

/** Milliseconds that count against the task's limit at the time `now`; pauses do not. */
export function usedMs(task: Task, now: number): number {
  const { usedMs: before, since } = task.clock;
  return since === undefined ? before : before + Math.max(0, now - since);
}

function progressOf(items: EventOf<'todo'>['items']): number {
  const open = items.filter((item) => item.status !== 'cancelled');
  if (open.length === 0) return 100;
  return Math.round((100 * open.filter((item) => item.status === 'completed').length) / open.length);
}

function misplaced(event: TaskEvent, why: string): BridgeError {
  return new BridgeError(
    'INVALID_STATE',
    `Event "${event.kind}" cannot be added to ${event.taskId}: ${why}.`,
  );
}
