import { z } from 'zod';
import { modelConfigSchema } from './model-config.ts';

const count = z.number().int().nonnegative();
const text = (about: string) => z.string().describe(about);
const number = (about: string) => count.describe(about);
const time = (about: string) => count.describe(`${about}, in epoch milliseconds; tools show it as ISO 8601.`);

/** Tokens by kind and money in US dollars, summed over a task's session and its children. */
export const usageSchema = z
  .object({
    input_tokens: number('Input tokens that were not in the cache.'),
    output_tokens: number('Output tokens.'),
    reasoning_tokens: number('Reasoning tokens.'),
    cache_read_tokens: number("Tokens read from the provider's cache."),
    cache_write_tokens: number("Tokens written to the provider's cache."),
    cost_usd: z.number().nonnegative().describe('US dollars, as OpenCode computes them.'),
  })
  .meta({ title: 'tokens and money' });

export const fileChangeSchema = z
  .object({
    path: text("Relative to the task's directory."),
    change: z.enum(['added', 'modified', 'deleted']).describe('What happened to the file.'),
    additions: number('Lines added; absent for a binary file.').optional(),
    deletions: number('Lines deleted; absent for a binary file.').optional(),
  })
  .meta({ title: 'file change' });

/** A process that commands of a task had started and that was still running when the agent was done. */
export const processLeftSchema = z
  .object({
    command: text('Its command line, at most 200 characters.'),
    since: text('When it started, as ISO 8601.'),
    ports: z.array(count).describe('TCP ports on which it listens, at most 20.'),
  })
  .meta({ title: 'process' });
export type ProcessLeft = z.infer<typeof processLeftSchema>;

/** The result of a task; `files_changed` has at most the first 100 files, `files_changed_total` counts all. */
export const taskResultSchema = z
  .object({
    summary: text('Last text of the model, at most 4,000 characters.'),
    files_changed: z.array(fileChangeSchema).describe('At most the first 100.'),
    files_changed_total: number('Number of all changed files.'),
    finish: text('Finish reason of the model; `interrupted` if the bridge stopped it.'),
    exit_code: z
      .number()
      .int()
      .optional()
      .describe(
        'Docker mode: exit code of the last container, 128 or more if it was killed. Absent in server mode.',
      ),
    processes_left: z
      .array(processLeftSchema)
      .optional()
      .describe(
        '`completed`: processes that commands had left running, at most 20. They have been ended, unless LEFTOVER_PROCESSES is `keep`.',
      ),
  })
  .meta({ title: 'result' });

export const taskErrorSchema = z
  .object({
    code: text('Stable code.'),
    message: text('Description of the error.'),
    next: text('What to do next, if that is the same for every caller.').optional(),
  })
  .meta({ title: 'error' });

const optionSchema = z.object({ label: text('The answer.'), description: text('Its meaning.') });

export const questionSchema = z
  .object({
    header: text('Topic, in one or two words.'),
    question: text('The question.'),
    options: z.array(optionSchema).describe('Answers to choose from; any other text is accepted too.'),
    multiple: z.boolean().optional().describe('Whether several answers are allowed.'),
  })
  .meta({ title: 'question' });

/** An open permission or question; `expires_at` in epoch milliseconds. */
export const taskRequestSchema = z
  .object({
    id: text('Use it as `request_id` in the answer.'),
    type: z.enum(['permission', 'question']).describe('Kind of request.'),
    title: text('The request in one line, at most 200 characters.'),
    permission: text('Permission: its name in OpenCode, such as `bash`.').optional(),
    patterns: z.array(z.string()).optional().describe('Permission: the commands or paths that it covers.'),
    questions: z.array(questionSchema).optional().describe('Question: each needs its own answer.'),
    session_id: text('OpenCode session that asks; a subagent has its own.'),
    expires_at: time('Deadline, at which the bridge answers').optional(),
  })
  .meta({ title: 'request' });

const ref = text(
  'Id of the external message that caused it, such as a Matrix event id; each id takes effect only once.',
).optional();

export const todoSchema = z
  .object({
    content: text('The step.'),
    status: text('`pending`, `in_progress`, `completed` or `cancelled`.'),
    priority: text('`high`, `medium` or `low`.'),
  })
  .meta({ title: 'step' });

const endResult = taskResultSchema.optional().describe('Result so far.');

/** The event vocabulary of tasks. Field names are the ones that callers see. */
export const taskEventBodySchema = z.discriminatedUnion('kind', [
  z
    .object({
      kind: z.literal('created'),
      agent_id: text('The agent that owns the task.'),
      description: text('The work to do.'),
      runner: text('`opencode-server` or `docker`.'),
      directory: text('Absolute path of its working directory.'),
      owns_directory: z.boolean().describe('Whether the bridge created that directory.'),
      model: text('`provider/model`.').optional(),
      agent: text('OpenCode agent.').optional(),
      model_config: modelConfigSchema
        .optional()
        .describe('Settings of the model, those of the continued task included.'),
      idempotency_key: text('Idempotency key of the caller.').optional(),
      observers: z.array(z.string()).describe('Matrix user ids, without duplicates.'),
      timeout_ms: number('Time limit in milliseconds; pauses do not count.'),
      max_cost_usd: z.number().nonnegative().optional().describe('Cost limit in US dollars.'),
      max_tokens: number('Limit of tokens of all kinds.').optional(),
      callback_url: text('URL to which its events are sent.').optional(),
      traceparent: text('`traceparent` of that request, as W3C Trace Context has it.').optional(),
      request_id: text('`X-Request-Id` of the request that handed it over.').optional(),
      continues: text('Id of the task that it continues.').optional(),
      session_id: text('OpenCode session that it continues.').optional(),
    })
    .describe('A task is accepted.'),
  z.object({ kind: z.literal('started') }).describe('The task leaves the queue; its time limit begins.'),
  z
    .object({
      kind: z.literal('attached'),
      session_id: text('OpenCode session.'),
      prompt_id: text('Id of the OpenCode message, or name of the container.'),
    })
    .describe('The first prompt is about to be sent.'),
  z
    .object({
      kind: z.literal('output'),
      text: text('Text of the model.'),
      message_id: text('Id of the OpenCode message.'),
      part_id: text('Id of the OpenCode message part.'),
    })
    .describe('The model finished a text part.'),
  z
    .object({
      kind: z.literal('tool'),
      phase: z.enum(['started', 'finished']).describe('Docker mode has only `finished`.'),
      call_id: text('Call id, the same in both phases.'),
      tool: text('Name of the tool.'),
      parent_call_id: text(
        "Call of the tool `task` whose subagent made this one; absent: the task's own agent.",
      ).optional(),
      title: text('The command, path or similar, at most 200 characters.'),
      ok: z.boolean().optional().describe('`finished`: no error, and no exit code other than 0.'),
      output: text('`finished`: the last 2,000 characters of its output.').optional(),
      exit_code: z.number().int().optional().describe('`finished`: exit code of a command.'),
      duration_ms: number('`finished`: duration in milliseconds.').optional(),
    })
    .describe('A tool call started or finished.'),
  z
    .object({
      kind: z.literal('file_changed'),
      path: text("Relative to the task's directory; absolute outside it."),
      tool: text('Name of the tool.'),
    })
    .describe('A tool wrote a file. Changes by shell commands are listed at the end, in `result`.'),
  z
    .object({ kind: z.literal('todo'), items: z.array(todoSchema).describe('The whole list.') })
    .describe('The agent wrote or changed its list of steps.'),
  z
    .object({ kind: z.literal('request_opened'), request: taskRequestSchema.describe('The request.') })
    .describe(
      'A permission or question waits for an answer, possibly only for the one of the policy. A paused task stays paused.',
    ),
  z
    .object({
      kind: z.literal('request_closed'),
      request_id: text('`id` of the request.'),
      by: text(
        'Who closed it: an agent, a person, `policy …`, `deadline`, `opencode`, or what made it obsolete.',
      ),
      reply: text(
        '`once`, `always`, `reject` or the answers; `answered` if only later events show that it was answered, `none` if it is obsolete, `unknown` if the answer is not known.',
      ),
      message: text('Text that was sent to the agent with it.').optional(),
    })
    .describe('A request was answered, or is obsolete. `running` when no other request is open.'),
  z
    .object({
      kind: z.literal('message'),
      from: z.enum(['agent', 'human', 'system']).describe('Author; `system` is the bridge.'),
      type: text('Kind of message; `recovery` continues a task after the loss of OpenCode.').optional(),
      delivery: z.enum(['queue', 'interrupt']).describe('After the current turn, or immediately.'),
      text: text('Text of the message.'),
      ref,
    })
    .describe('A message to the agent; the next prompt contains it.'),
  z
    .object({
      kind: z.literal('message_sent'),
      message_seqs: z.array(count).describe('`seq` of each message that the prompt contains.'),
      prompt_id: text('Id of the OpenCode message, or name of the container.'),
    })
    .describe('A further prompt is about to be sent.'),
  z
    .object({
      kind: z.literal('control'),
      control: z.enum(['cancel', 'pause', 'resume']).describe('The control.'),
      by: text('Who requested it.'),
      reason: text('Reason.').optional(),
      ref,
    })
    .describe('A cancel, pause or resume was requested; stored before it is executed.'),
  z
    .object({
      kind: z.literal('retrying'),
      attempt: number('Counted from 1.'),
      message: text('Error of the provider.'),
      next_at: time('Time of the next call'),
    })
    .describe('A model call failed; OpenCode retries it.'),
  z
    .object({ kind: z.literal('usage'), usage: usageSchema.describe('The totals so far.') })
    .describe('Usage after a step of the model.'),
  z
    .object({
      kind: z.literal('warning'),
      code: text(
        'Such as `ENGINE_UNREACHABLE`, `BRIDGE_RESTARTED` or `REQUEST_ANSWERED_OUTSIDE`, or the name of an OpenCode error.',
      ),
      message: text('Description.'),
    })
    .describe('A problem that did not end the task.'),
  z
    .object({ kind: z.literal('paused') })
    .describe('The task is paused: nothing runs, and the clock is stopped.'),
  z
    .object({ kind: z.literal('resumed') })
    .describe('A pause is over; `input_required` if a request is open.'),
  z
    .object({ kind: z.literal('completed'), result: taskResultSchema.describe('The result.') })
    .describe('Final: the agent is done.'),
  z
    .object({
      kind: z.literal('failed'),
      error: taskErrorSchema.describe('The error.'),
      result: endResult,
    })
    .describe('Final: an error, or a limit of cost or tokens was reached.'),
  z
    .object({
      kind: z.literal('timeout'),
      error: taskErrorSchema.describe('The limit that was reached.'),
      result: endResult,
    })
    .describe('Final: the time limit was reached.'),
  z
    .object({
      kind: z.literal('cancelled'),
      by: text('Who requested it.'),
      reason: text('Reason.').optional(),
      result: endResult,
    })
    .describe('Final: the task was cancelled.'),
]);

export type Usage = z.infer<typeof usageSchema>;
export type FileChange = z.infer<typeof fileChangeSchema>;
export type TaskResult = z.infer<typeof taskResultSchema>;
export type TaskError = z.infer<typeof taskErrorSchema>;
export type InputRequest = z.infer<typeof taskRequestSchema>;
export type TaskEventBody = z.infer<typeof taskEventBodySchema>;
export type TaskEventKind = TaskEventBody['kind'];
/** Every kind, in the order of the vocabulary. */
export const TASK_EVENT_KINDS = taskEventBodySchema.options.map(({ shape }) => shape.kind.value);
export type EventOf<K extends TaskEventKind> = Extract<TaskEventBody, { kind: K }>;

/** A stored event: `seq` counts from 1 within its task, `at` is epoch milliseconds. */
export type TaskEvent = TaskEventBody & { taskId: string; seq: number; at: number };

/** The sum of all kinds of tokens. */
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
