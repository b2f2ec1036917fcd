import { z } from 'zod';
import { taskErrorSchema, taskRequestSchema, taskResultSchema, usageSchema } from '../../tasks/events.ts';
import { modelConfigSchema } from '../../tasks/model-config.ts';
import { TASK_STATUSES, type Task } from '../../tasks/task.ts';
import { wellFormed } from '../../text.ts';

/** The columns that `readTask` needs. */
export const TASK_COLUMNS = 'id, fingerprint, description, state';

/** The column `state`: the task without what has columns of its own. */
export function stateOf({ id: _id, description: _description, ...state }: Task): string {
  return JSON.stringify(state);
}

const optionalTime = z.number().optional();
const stateSchema = z.object({
  agentId: z.string(),
  status: z.enum(TASK_STATUSES),
  runner: z.string(),
  directory: z.string(),
  ownsDirectory: z.boolean(),
  model: z.string().optional(),
  agent: z.string().optional(),
  modelConfig: modelConfigSchema.optional(),
  sessionId: z.string().optional(),
  promptId: z.string().optional(),
  idempotencyKey: z.string().optional(),
  callbackUrl: z.string().optional(),
  requestId: z.string().optional(),
  traceparent: z.string().optional(),
  continues: z.string().optional(),
  observers: z.array(z.string()),
  limits: z.object({
    timeoutMs: z.number(),
    maxCostUsd: z.number().optional(),
    maxTokens: z.number().optional(),
  }),
  usage: usageSchema,
  progress: z.number().optional(),
  requests: z.array(taskRequestSchema),
  result: taskResultSchema.optional(),
  error: taskErrorSchema.optional(),
  clock: z.object({ usedMs: z.number(), since: optionalTime }),
  createdAt: z.number(),
  startedAt: optionalTime,
  endedAt: optionalTime,
  updatedAt: z.number(),
  lastSeq: z.number(),
});
const taskRow = z.object({ id: z.string(), description: z.string(), state: z.string() });

/** A task from a row with TASK_COLUMNS. */
export function readTask(row: unknown): Task {
  const { id, description, state } = taskRow.parse(row);
  return { id, description, ...stateSchema.parse(parseStored(state)) };
}

/** Parses stored JSON. Old rows may contain lone surrogates, which are removed. */
export function parseStored(json: string): unknown {
  const value: unknown = JSON.parse(json);
  return json.includes('\\ud') ? wellFormed(value) : value;
}
