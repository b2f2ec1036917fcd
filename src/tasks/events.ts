import { z } from 'zod';

const count = z.number().int().nonnegative();

/** Tokens by kind and money in US dollars, summed over a task's session and its children. */
export const usageSchema = z.object({
  input_tokens: count,
  output_tokens: count,
  reasoning_tokens: count,
  cache_read_tokens: count,
  cache_write_tokens: count,
  cost_usd: z.number().nonnegative(),
});

export const fileChangeSchema = z.object({
  path: z.string(),
  change: z.enum(['added', 'modified', 'deleted']),
  additions: count.optional(),
  deletions: count.optional(),
});

/** What a task came to; `files_changed` holds at most the first 100, `files_changed_total` counts all. */
export const taskResultSchema = z.object({
  summary: z.string(),
  files_changed: z.array(fileChangeSchema),
  files_changed_total: count,
  finish: z.string(),
  exit_code: z.number().int().optional(),
});

export const taskErrorSchema = z.object({
  code: z.string(),
  message: z.string(),
  next: z.string().optional(),
});

const questionSchema = z.object({
  header: z.string(),
  question: z.string(),
  options: z.array(z.object({ label: z.string(), description: z.string() })),
  multiple: z.boolean().optional(),
});

/** A permission or question that waits for an answer; `expires_at` in epoch milliseconds. */
export const taskRequestSchema = z.object({
  id: z.string(),
  type: z.enum(['permission', 'question']),
  title: z.string(),
  permission: z.string().optional(),
  patterns: z.array(z.string()).optional(),
  questions: z.array(questionSchema).optional(),
  session_id: z.string(),
  expires_at: count.optional(),
});

/** The outside message that this came from, such as a Matrix event id: what carries one is not done twice. */
const ref = z.string().optional();

const todoSchema = z.object({ content: z.string(), status: z.string(), priority: z.string() });

/** The one vocabulary: what can happen to a task. Field names are those the outside sees. */
export const taskEventBodySchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('created'),
    agent_id: z.string(),
    description: z.string(),
    runner: z.string(),
    directory: z.string(),
    owns_directory: z.boolean(),
    model: z.string().optional(),
    agent: z.string().optional(),
    idempotency_key: z.string().optional(),
    observers: z.array(z.string()),
    timeout_ms: count,
    max_cost_usd: z.number().nonnegative().optional(),
    max_tokens: count.optional(),
    continues: z.string().optional(),
    session_id: z.string().optional(),
  }),
  z.object({ kind: z.literal('started') }),
  z.object({ kind: z.literal('attached'), session_id: z.string(), prompt_id: z.string() }),
  z.object({ kind: z.literal('output'), text: z.string(), message_id: z.string(), part_id: z.string() }),
  z.object({
    kind: z.literal('tool'),
    phase: z.enum(['started', 'finished']),
    call_id: z.string(),
    tool: z.string(),
    title: z.string(),
    ok: z.boolean().optional(),
    output: z.string().optional(),
    exit_code: z.number().int().optional(),
    duration_ms: count.optional(),
  }),
  z.object({ kind: z.literal('file_changed'), path: z.string(), tool: z.string() }),
  z.object({ kind: z.literal('todo'), items: z.array(todoSchema) }),
  z.object({ kind: z.literal('request_opened'), request: taskRequestSchema }),
  z.object({
    kind: z.literal('request_closed'),
    request_id: z.string(),
    by: z.string(),
    reply: z.string(),
    message: z.string().optional(),
  }),
  z.object({
    kind: z.literal('message'),
    from: z.enum(['agent', 'human', 'system']),
    type: z.string().optional(),
    delivery: z.enum(['queue', 'interrupt']),
    text: z.string(),
    ref,
  }),
  z.object({ kind: z.literal('message_sent'), message_seqs: z.array(count), prompt_id: z.string() }),
  z.object({
    kind: z.literal('control'),
    control: z.enum(['cancel', 'pause', 'resume']),
    by: z.string(),
    reason: z.string().optional(),
    ref,
  }),
  z.object({ kind: z.literal('retrying'), attempt: count, message: z.string(), next_at: count }),
  z.object({ kind: z.literal('usage'), usage: usageSchema }),
  z.object({ kind: z.literal('warning'), code: z.string(), message: z.string() }),
  z.object({ kind: z.literal('paused') }),
  z.object({ kind: z.literal('resumed') }),
  z.object({ kind: z.literal('completed'), result: taskResultSchema }),
  z.object({ kind: z.literal('failed'), error: taskErrorSchema, result: taskResultSchema.optional() }),
  z.object({ kind: z.literal('timeout'), error: taskErrorSchema, result: taskResultSchema.optional() }),
  z.object({
    kind: z.literal('cancelled'),
    by: z.string(),
    reason: z.string().optional(),
    result: taskResultSchema.optional(),
  }),
]);

export type Usage = z.infer<typeof usageSchema>;
export type FileChange = z.infer<typeof fileChangeSchema>;
export type TaskResult = z.infer<typeof taskResultSchema>;
export type TaskError = z.infer<typeof taskErrorSchema>;
export type TaskRequest = z.infer<typeof taskRequestSchema>;
export type TaskEventBody = z.infer<typeof taskEventBodySchema>;
export type TaskEventKind = TaskEventBody['kind'];
export type EventOf<K extends TaskEventKind> = Extract<TaskEventBody, { kind: K }>;

/** A stored event: `seq` counts from 1 within its task, `at` is epoch milliseconds. */
export type TaskEvent = TaskEventBody & { taskId: string; seq: number; at: number };

/** All tokens, whatever their kind. */
export function tokensOf(usage: Usage): number {
  const { input_tokens, output_tokens, reasoning_tokens, cache_read_tokens, cache_write_tokens } = usage;
  return input_tokens + output_tokens + reasoning_tokens + cache_read_tokens + cache_write_tokens;
}

export const NO_USAGE: Usage = {
  input_tokens: 0,
  output_tokens: 0,
  reasoning_tokens: 0,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
  cost_usd: 0,
};
