import { z } from 'zod';
import { oneLine } from '../tasks/describe-event.ts';
import {
  taskErrorSchema,
  taskRequestSchema,
  taskResultSchema,
  tokensOf,
  usageSchema,
} from '../tasks/events.ts';
import { TASK_STATUSES, type Task } from '../tasks/task.ts';
import { iso } from '../tasks/view-event.ts';
import { taskErrorNextStep } from './error-next-step.ts';
import { nextStep } from './next-step.ts';
import type { OperationNames } from './operation-names.ts';
import type { ApiServices } from './services.ts';

export { iso };

/** An open request; its deadline is ISO 8601. */
export const requestViewSchema = taskRequestSchema
  .extend({ expires_at: z.string().optional() })
  .meta({ title: 'request' });
export type RequestView = z.infer<typeof requestViewSchema>;

/** The fields of a task that every view of it has. */
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
export type Outcome = z.infer<z.ZodObject<typeof outcomeFields>>;

/** All fields of a task; times are ISO 8601. */
export const taskFields = {
  ...outcomeFields,
  session_id: z.string().optional(),
  created_at: z.string(),
  started_at: z.string().optional(),
  ended_at: z.string().optional(),
  last_seq: z.number(),
};

export type TaskView = z.infer<z.ZodObject<typeof taskFields>>;

/** A task as callers see it: where it stands, what it made or asks, how to continue. */
export async function viewOutcome(
  task: Task,
  services: ApiServices,
  names: OperationNames,
): Promise<Outcome> {
  return {
    task_id: task.id,
    status: task.status,
    progress: task.progress,
    queue_position: await services.execution.queuePosition(task.id),
    requests: task.requests.map((request) => ({ ...request, expires_at: iso(request.expires_at) })),
    usage: task.usage,
    result: task.result,
    error: task.error && { ...task.error, next: taskErrorNextStep(task, names) },
    directory: task.directory,
    workspace_block_id: services.blockId(task.id),
    next: nextStep(task, names),
  };
}

/** The same with its session, its times and its last sequence number in the log. */
export async function viewTask(task: Task, services: ApiServices, names: OperationNames): Promise<TaskView> {
  return {
    ...(await viewOutcome(task, services, names)),
    session_id: task.sessionId,
    created_at: new Date(task.createdAt).toISOString(),
    started_at: iso(task.startedAt),
    ended_at: iso(task.endedAt),
    last_seq: task.lastSeq,
  };
}

/** A task as a row of a list. */
export const taskRowSchema = z.object({
  task_id: z.string(),
  status: z.enum(TASK_STATUSES),
  created_at: z.string(),
  ended_at: z.string().optional(),
  directory: z.string(),
  description: z.string(),
  summary: z.string().optional(),
});

export function viewTaskRow(task: Task): z.infer<typeof taskRowSchema> {
  return {
    task_id: task.id,
    status: task.status,
    created_at: new Date(task.createdAt).toISOString(),
    ended_at: iso(task.endedAt),
    directory: task.directory,
    description: oneLine(task.description, 120),
    summary: task.result && oneLine(task.result.summary, 200),
  };
}

/** A row for people and programs that show tasks: with its owner, its settings, and what changes while it runs. */
export const taskStateSchema = taskRowSchema.extend({
  agent_id: z.string(),
  agent: z.string().optional(),
  model: z.string().optional(),
  started_at: z.string().optional(),
  cost_usd: z.number(),
  tokens: z.number(),
  progress: z.number().optional(),
  open_requests: z.number(),
  last_seq: z.number(),
});

export function viewTaskState(task: Task): z.infer<typeof taskStateSchema> {
  const { progress, requests, lastSeq } = task;
  return {
    ...viewTaskRow(task),
    agent_id: task.agentId,
    agent: task.agent,
    model: task.model,
    started_at: iso(task.startedAt),
    cost_usd: task.usage.cost_usd,
    tokens: tokensOf(task.usage),
    progress,
    open_requests: requests.length,
    last_seq: lastSeq,
  };
}
