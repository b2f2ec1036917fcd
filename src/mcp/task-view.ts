import { z } from 'zod';
import { nextStep } from '../api/next-step.ts';
import { taskWayOut } from '../api/ways-out.ts';
import { oneLine } from '../tasks/describe-event.ts';
import { taskErrorSchema, taskRequestSchema, taskResultSchema, usageSchema } from '../tasks/events.ts';
import { TASK_STATUSES, type Task } from '../tasks/task.ts';
import type { ToolServices } from './tool.ts';

const requestViewSchema = taskRequestSchema
  .extend({ expires_at: z.string().optional() })
  .meta({ title: 'request' });
type RequestView = z.infer<typeof requestViewSchema>;

/** What the caller should know of the call besides; the text has it as its first line. */
export const hint = z.string().optional();

/** What every tool that shows a task tells of it. */
export const outcomeFields = {
  task_id: z.string(),
  status: z.enum(TASK_STATUSES),
  progress: z.number().optional(),
  queue_position: z.number().optional(),
  requests: z.array(requestViewSchema),
  usage: usageSchema,
  result: taskResultSchema.optional(),
  error: taskErrorSchema.optional(),
  directory: z.string(),
  workspace_block_id: z.string(),
  next: z.string(),
};
type Outcome = z.infer<z.ZodObject<typeof outcomeFields>>;

/** All there is to tell of a task; times are ISO 8601. */
export const taskFields = {
  ...outcomeFields,
  session_id: z.string().optional(),
  created_at: z.string(),
  started_at: z.string().optional(),
  ended_at: z.string().optional(),
  last_seq: z.number(),
};

/** A task as the outside sees it. */
export async function viewOutcome(task: Task, services: ToolServices): Promise<Outcome> {
  return {
    task_id: task.id,
    status: task.status,
    progress: task.progress,
    queue_position: await services.execution.queuePosition(task.id),
    requests: task.requests.map((request) => ({ ...request, expires_at: iso(request.expires_at) })),
    usage: task.usage,
    result: task.result,
    error: task.error && { ...task.error, next: taskWayOut(task) },
    directory: task.directory,
    workspace_block_id: services.blockId(task.id),
    next: nextStep(task),
  };
}

/** The same with its session, its times and its place in the log. */
export async function viewTask(
  task: Task,
  services: ToolServices,
): Promise<z.infer<z.ZodObject<typeof taskFields>>> {
  return {
    ...(await viewOutcome(task, services)),
    session_id: task.sessionId,
    created_at: new Date(task.createdAt).toISOString(),
    started_at: iso(task.startedAt),
    ended_at: iso(task.endedAt),
    last_seq: task.lastSeq,
  };
}

/** Epoch milliseconds as ISO 8601. */
export function iso(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}

/** A task in a few lines: where it stands, what it made or asks, how to go on. */
export function textOfTask(view: Outcome): string {
  const { task_id, status, progress, queue_position, directory, result, error, requests } = view;
  const lines = [
    `Task ${task_id} is ${status}${progress === undefined ? '' : ` (${progress}% of its steps)`}.`,
  ];
  if (queue_position !== undefined) lines.push(`Position in the queue: ${queue_position}.`);
  if (error) lines.push(`Error ${error.code}: ${error.message}`);
  if (result?.summary) lines.push(result.summary);
  if (result) lines.push(filesLine(result));
  if (result?.processes_left) lines.push(processesLine(result.processes_left));
  lines.push(`Directory: ${directory}`, ...requests.map(requestLine), `Next: ${view.next}`);
  return lines.join('\n');
}

function filesLine({ files_changed, files_changed_total }: NonNullable<Outcome['result']>): string {
  if (files_changed_total === 0) return 'No files changed.';
  const shown = files_changed.slice(0, 10).map(({ path, change }) => `${change} ${path}`);
  const more = files_changed_total - shown.length;
  return `Files: ${shown.join(', ')}${more > 0 ? ` and ${more} more (get_task_files)` : ''}`;
}

function processesLine(left: NonNullable<NonNullable<Outcome['result']>['processes_left']>): string {
  const shown = left.slice(0, 5).map(({ command, ports }) => {
    const on = ports.length > 0 ? ` (port ${ports.join(', ')})` : '';
    return `${oneLine(command, 100)}${on}`;
  });
  return `Processes left: ${shown.join('; ')}${left.length > 5 ? ` and ${left.length - 5} more` : ''}`;
}

function requestLine({ id, type, title, patterns, questions, expires_at }: RequestView): string {
  const asked = questions?.map(
    ({ question, options }) => `${question} [${options.map(({ label }) => label).join(' | ')}]`,
  );
  const what = [title, patterns?.join(' '), ...(asked ?? [])].filter(Boolean).join('; ');
  return `Request ${id} (${type}): ${oneLine(what, 1_000)}${expires_at ? `; open until ${expires_at}` : ''}`;
}
