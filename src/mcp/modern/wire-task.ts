import { lastLine } from '../../api/last-events.ts';
import { viewOutcome } from '../../api/task-view.ts';
import { printable } from '../../errors.ts';
import type { InputRequest, TaskError } from '../../tasks/events.ts';
import { isEnd, type Task } from '../../tasks/task.ts';
import { wellFormed } from '../../text.ts';
import { answerResult } from '../answer-result.ts';
import { formOf } from '../elicitation/form.ts';
import { openRequests } from '../elicitation/forms.ts';
import { textOfTask } from '../task-text.ts';
import type { ToolServices } from '../tool.ts';
import { TOOL_NAMES } from '../tool-names.ts';
import type { InputKeys } from './input-keys.ts';

/** How often a client should ask. One that waits for its turn or for a person changes rarely. */
const POLL_MS = 2_000;
const SLOW_POLL_MS = 5_000;

type WireStatus = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled';

/** The JSON-RPC code of a fault of the server. */
const INTERNAL_ERROR = -32_603;

interface Shown {
  status: WireStatus;
  statusMessage?: string | undefined;
  pollIntervalMs?: number;
  /** What only `tasks/get` has. */
  detail?: { result: object } | { inputRequests: object } | { error: { code: number; message: string } };
}

/** How a task is shown to one client. */
export interface WireOptions {
  services: ToolServices;
  keys: InputKeys;
  /** Whether the client can show a form to its user. */
  forms: boolean;
}

/** A task as the extension has it, with its result or what it asks for. */
export async function wireTask(task: Task, options: WireOptions) {
  const now = await shown(task, options);
  return wellFormed({ ...baseOf(task, now, options), ...now.detail });
}

/** The answer to the call that created a task. */
export async function wireSeed(task: Task, options: WireOptions, hints: readonly string[]) {
  const now = await shown(task, options);
  const statusMessage = [...hints, now.statusMessage ?? ''].join(' ').trim();
  return wellFormed({ resultType: 'task', ...baseOf(task, { ...now, statusMessage }, options) });
}

function baseOf(
  task: Task,
  { status, statusMessage, pollIntervalMs = POLL_MS }: Shown,
  { services }: WireOptions,
) {
  return {
    taskId: task.id,
    status,
    // Clients show it as it is, and it may have the agent's words.
    ...(statusMessage ? { statusMessage: printable(statusMessage) } : {}),
    createdAt: new Date(task.createdAt).toISOString(),
    lastUpdatedAt: new Date(task.updatedAt).toISOString(),
    ttlMs: ttlOf(task, services),
    pollIntervalMs,
  };
}

async function shown(task: Task, options: WireOptions): Promise<Shown> {
  const { services } = options;
  switch (task.status) {
    case 'queued': {
      const position = await services.execution.queuePosition(task.id);
      const statusMessage = position === undefined ? 'queued' : `queued, position ${position}`;
      return { status: 'working', statusMessage, pollIntervalMs: SLOW_POLL_MS };
    }
    case 'running':
      return { status: 'working', statusMessage: await lastLine(task, services) };
    case 'paused':
      return {
        status: 'working',
        statusMessage: `paused: ${TOOL_NAMES.control(task.id, 'resume')} lets it go on`,
        pollIntervalMs: SLOW_POLL_MS,
      };
    case 'input_required':
      return asking(task, options);
    case 'completed':
      return { status: 'completed', detail: { result: await resultOf(task, services) } };
    case 'failed':
    case 'timeout':
      if (task.error?.code === 'INTERNAL') return broken(task, task.error);
      // The specification keeps `failed` for what has no result of the tool.
      return {
        status: 'completed',
        detail: { result: { ...(await resultOf(task, services)), isError: true } },
      };
    case 'cancelled':
      return { status: 'cancelled', statusMessage: `${task.error?.message ?? 'Cancelled.'} ${readOn(task)}` };
  }
}

/** The bridge failed, and not the work: there is no result of the tool. */
function broken(task: Task, { message }: TaskError): Shown {
  return {
    status: 'failed',
    statusMessage: `${message} ${readOn(task)}`,
    detail: { error: { code: INTERNAL_ERROR, message } },
  };
}

/** A client that has no forms is told how else to answer. */
function asking(task: Task, { keys, forms }: WireOptions): Shown {
  const open = openRequests(task);
  const [first] = open;
  if (!first) return { status: 'working', statusMessage: 'a request is being closed' };
  const statusMessage = `asks: ${first.title} (or answer with ${TOOL_NAMES.answer(task.id, first.id)})`;
  if (!forms) return { status: 'working', statusMessage, pollIntervalMs: SLOW_POLL_MS };
  const form = (request: InputRequest) => [keys.of(task.id, request.id), formOf(request)] as const;
  const inputRequests = Object.fromEntries(open.map(form));
  return { status: 'input_required', statusMessage, detail: { inputRequests } };
}

/** What the tool would have answered if it had waited. */
async function resultOf(task: Task, services: ToolServices) {
  const structured = { ...(await viewOutcome(task, services, TOOL_NAMES)), repeated: false };
  // Clients take it apart from the answer around it, so it needs a type of its own.
  return { resultType: 'complete', ...answerResult({ structured, text: textOfTask(structured) }, []) };
}

/** Milliseconds from the start until the task is removed; null while that is not known, or never. */
function ttlOf({ createdAt, endedAt, status }: Task, { retentionMs = 0 }: ToolServices): number | null {
  if (!isEnd(status) || endedAt === undefined || retentionMs === 0) return null;
  return Math.max(1, Math.ceil(endedAt + retentionMs - createdAt));
}

function readOn({ id }: Task): string {
  return `${TOOL_NAMES.status} with task_id "${id}" shows what was done.`;
}
