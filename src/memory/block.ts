import { z } from 'zod';
import type { TaskEvent } from '../tasks/events.ts';
import { cut } from '../text.ts';

const blockEventSchema = z.object({
  /** ISO 8601. */
  timestamp: z.string(),
  type: z.enum([
    'task_started',
    'task_progress',
    'task_message',
    'task_control',
    'task_paused',
    'task_resumed',
    'task_completed',
    'task_failed',
    'task_timeout',
    'task_cancelled',
  ]),
  message: z.string(),
});

/** A task's state as it appears in an agent's memory; schema 1.0.0. */
export const workspaceBlockSchema = z.object({
  version: z.literal('1.0.0'),
  task_id: z.string(),
  agent_id: z.string(),
  status: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  events: z.array(blockEventSchema),
  artifacts: z.array(z.object({ type: z.literal('file'), path: z.string(), change: z.string() })),
  metadata: z.object({
    events_dropped: z.number(),
    open_requests: z.number(),
    summary: z.string().optional(),
    error: z.string().optional(),
  }),
});

export type WorkspaceBlock = z.infer<typeof workspaceBlockSchema>;
type BlockEventType = WorkspaceBlock['events'][number]['type'];

export interface BlockBounds {
  maxEvents: number;
  /** Characters of the block as JSON. */
  limit: number;
}

const MESSAGE_LIMIT = 500;
const SUMMARY_LIMIT = 2_000;

/** The block after one more event, cut to its bounds. Undefined while the task's `created` is missing. */
export function project(
  block: WorkspaceBlock | undefined,
  event: TaskEvent,
  bounds: BlockBounds,
): WorkspaceBlock | undefined {
  const at = new Date(event.at).toISOString();
  const before = block ?? empty(event, at);
  if (!before) return undefined;
  const next: WorkspaceBlock = {
    ...before,
    updated_at: at,
    metadata: { ...before.metadata, open_requests: openAfter(before.metadata.open_requests, event) },
  };
  next.status = statusAfter(before.status, event, next.metadata.open_requests);
  const entry = describe(event);
  if (entry)
    next.events = [
      ...before.events,
      { timestamp: at, type: entry.type, message: cut(entry.message, MESSAGE_LIMIT) },
    ];
  if ('result' in event && event.result) {
    next.artifacts = event.result.files_changed.map(({ path, change }) => ({ type: 'file', path, change }));
    next.metadata = { ...next.metadata, summary: cut(event.result.summary, SUMMARY_LIMIT) };
  }
  if ('error' in event)
    next.metadata = { ...next.metadata, error: `${event.error.code}: ${event.error.message}` };
  return bounded(next, bounds);
}

function empty(event: TaskEvent, at: string): WorkspaceBlock | undefined {
  if (event.kind !== 'created') return undefined;
  return {
    version: '1.0.0',
    task_id: event.taskId,
    agent_id: event.agent_id,
    status: 'queued',
    created_at: at,
    updated_at: at,
    events: [],
    artifacts: [],
    metadata: { events_dropped: 0, open_requests: 0 },
  };
}

function openAfter(open: number, { kind }: TaskEvent): number {
  if (kind === 'request_opened') return open + 1;
  return kind === 'request_closed' ? Math.max(0, open - 1) : open;
}

function statusAfter(status: string, { kind }: TaskEvent, openRequests: number): string {
  switch (kind) {
    case 'started':
    case 'resumed':
      return openRequests > 0 ? 'input_required' : 'running';
    case 'request_opened':
    case 'request_closed':
      if (status !== 'running' && status !== 'input_required') return status;
      return openRequests > 0 ? 'input_required' : 'running';
    case 'paused':
    case 'completed':
    case 'failed':
    case 'timeout':
    case 'cancelled':
      return kind;
    default:
      return status;
  }
}

function describe(event: TaskEvent): { type: BlockEventType; message: string } | undefined {
  switch (event.kind) {
    case 'started':
      return { type: 'task_started', message: 'Started.' };
    case 'output':
      return { type: 'task_progress', message: event.text };
    case 'tool':
      if (event.phase === 'started') return undefined;
      return {
        type: 'task_progress',
        message: `${event.tool}: ${event.title} (${event.ok ? 'ok' : 'failed'})`,
      };
    case 'warning':
      return { type: 'task_progress', message: `Warning ${event.code}: ${event.message}` };
    case 'request_opened':
      return { type: 'task_progress', message: `Waits for an answer: ${event.request.title}` };
    case 'message':
      return { type: 'task_message', message: `${event.from}: ${event.text}` };
    case 'control':
      return {
        type: 'task_control',
        message: `${event.control} by ${event.by}${event.reason ? `: ${event.reason}` : ''}`,
      };
    case 'paused':
      return { type: 'task_paused', message: 'Paused.' };
    case 'resumed':
      return { type: 'task_resumed', message: 'Resumed.' };
    case 'completed':
      return { type: 'task_completed', message: event.result.summary };
    case 'failed':
      return { type: 'task_failed', message: `${event.error.code}: ${event.error.message}` };
    case 'timeout':
      return { type: 'task_timeout', message: event.error.message };
    case 'cancelled':
      return { type: 'task_cancelled', message: event.reason ?? `Cancelled by ${event.by}.` };
    default:
      return undefined;
  }
}

/** Removes the oldest progress, then the oldest other events, then artifacts, until the block fits. */
function bounded(block: WorkspaceBlock, { maxEvents, limit }: BlockBounds): WorkspaceBlock {
  let next = block;
  while (next.events.length > maxEvents || (next.events.length > 0 && JSON.stringify(next).length > limit)) {
    const progress = next.events.findIndex(({ type }) => type === 'task_progress');
    const events = next.events.toSpliced(Math.max(0, progress), 1);
    next = {
      ...next,
      events,
      metadata: { ...next.metadata, events_dropped: next.metadata.events_dropped + 1 },
    };
  }
  while (next.artifacts.length > 0 && JSON.stringify(next).length > limit) {
    next = { ...next, artifacts: next.artifacts.slice(0, Math.floor(next.artifacts.length / 2)) };
  }
  if (JSON.stringify(next).length > limit)
    next = { ...next, metadata: { ...next.metadata, summary: undefined, error: undefined } };
  return next;
}
