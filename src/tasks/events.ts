import { z } from 'zod';

const count = z.number().int().nonnegative();
const text = (about: string) => z.string().describe(about);
const number = (about: string) => count.describe(about);
const time = (about: string) => count.describe(`${about}, in epoch milliseconds; tools show it as ISO 8601.`);

/** Tokens by kind and money in US dollars, summed over a task's session and its children. */
export const usageSchema = z
  .object({
    input_tokens: number('Tokens the model read anew.'),
    output_tokens: number('Tokens it wrote.'),
    reasoning_tokens: number('Tokens it thought with.'),
    cache_read_tokens: number("Tokens read from the provider's cache."),
    cache_write_tokens: number('Tokens written to it.'),
    cost_usd: z.number().nonnegative().describe('US dollars, as OpenCode reckons them.'),
  })
  .meta({ title: 'tokens and money' });

export const fileChangeSchema = z
  .object({
    path: text("Relative to the task's directory."),
    change: z.enum(['added', 'modified', 'deleted']).describe('What became of the file.'),
    additions: number('Lines that came; absent for what is no text.').optional(),
    deletions: number('Lines that went; absent for what is no text.').optional(),
  })
  .meta({ title: 'file change' });

/** A process that the commands of a task had left running when its agent was done. */
export const processLeftSchema = z
  .object({
    command: text('Its command line, at most 200 characters.'),
    since: text('When it was started, as ISO 8601.'),
    ports: z.array(count).describe('TCP ports that it listens on, at most 20.'),
  })
  .meta({ title: 'process' });
export type ProcessLeft = z.infer<typeof processLeftSchema>;

/** What a task came to; `files_changed` holds at most the first 100, `files_changed_total` counts all. */
export const taskResultSchema = z
  .object({
    summary: text('Last words of the model, at most 4,000 characters.'),
    files_changed: z.array(fileChangeSchema).describe('At most the first 100.'),
    files_changed_total: number('How many files changed in all.'),
    finish: text('Why the model stopped, in its own words; `interrupted` where it was stopped.'),
    exit_code: z
      .number()
      .int()
      .optional()
      .describe(
        'Docker mode: exit code of the last container, 128 and more where it was killed. Absent in server mode.',
      ),
    processes_left: z
      .array(processLeftSchema)
      .optional()
      .describe(
        '`completed`: what commands had left running, at most 20; ended by now, unless LEFTOVER_PROCESSES is `keep`.',
      ),
  })
  .meta({ title: 'result' });

export const taskErrorSchema = z
  .object({
    code: text('Stable code.'),
    message: text('What went wrong.'),
    next: text('What to do now, where it is the same for every caller.').optional(),
  })
  .meta({ title: 'error' });

const optionSchema = z.object({ label: text('What is answered.'), description: text('What it means.') });

export const questionSchema = z
  .object({
    header: text('What it is about, in a word or two.'),
    question: text('The question.'),
    options: z.array(optionSchema).describe('Answers to choose from; own words are taken too.'),
    multiple: z.boolean().optional().describe('Whether several may be chosen.'),
  })
  .meta({ title: 'question' });

/** A permission or question that waits for an answer; `expires_at` in epoch milliseconds. */
export const taskRequestSchema = z
  .object({
    id: text('`request_id` of the answer.'),
    type: z.enum(['permission', 'question']).describe('What is wanted.'),
    title: text('The request in a line, at most 200 characters.'),
    permission: text('Permission: its name in OpenCode, such as `bash`.').optional(),
    patterns: z.array(z.string()).optional().describe('Permission: the commands or paths it is for.'),
    questions: z.array(questionSchema).optional().describe('Question: each needs its own answer.'),
    session_id: text("Session of OpenCode that asks; a subagent's differs from the task's."),
    expires_at: time('When the bridge answers by itself').optional(),
  })
  .meta({ title: 'request' });

const ref = text(
  'The outside message that this came from, such as a Matrix event id: what carries one is not done twice.',
).optional();

export const todoSchema = z
  .object({
    content: text('The step.'),
    status: text('`pending`, `in_progress`, `completed` or `cancelled`.'),
    priority: text('`high`, `medium` or `low`.'),
  })
  .meta({ title: 'step' });

const endResult = taskResultSchema.optional().describe('What it came to until then.');

/** The one vocabulary: what can happen to a task. Field names are those the outside sees. */
export const taskEventBodySchema = z.discriminatedUnion('kind', [
  z
    .object({
      kind: z.literal('created'),
      agent_id: text('The agent whose task it is.'),
      description: text('What is to be done.'),
      runner: text('`opencode-server` or `docker`.'),
      directory: text('Absolute path of the folder it works in.'),
      owns_directory: z.boolean().describe('Whether the bridge made that folder.'),
      model: text('`provider/model`.').optional(),
      agent: text('Agent of OpenCode.').optional(),
      idempotency_key: text('As the caller gave it.').optional(),
      observers: z.array(z.string()).describe('Matrix users, each once.'),
      timeout_ms: number('Limit of the time that it runs, in milliseconds; pauses do not count.'),
      max_cost_usd: z.number().nonnegative().optional().describe('Limit of what it may cost, in US dollars.'),
      max_tokens: number('Limit of its tokens of all kinds.').optional(),
      continues: text('Id of the task that it goes on from.').optional(),
      session_id: text('Session of OpenCode that it goes on in.').optional(),
    })
    .describe('An order is accepted.'),
  z.object({ kind: z.literal('started') }).describe('The task leaves the queue; its time limit begins.'),
  z
    .object({
      kind: z.literal('attached'),
      session_id: text('Session of OpenCode.'),
      prompt_id: text('Id of the message in OpenCode, or name of the container.'),
    })
    .describe('Right before the first prompt leaves.'),
  z
    .object({
      kind: z.literal('output'),
      text: text('What the model said.'),
      message_id: text('Id of the message in OpenCode.'),
      part_id: text('Id of the part in OpenCode.'),
    })
    .describe('The model finished a part of text.'),
  z
    .object({
      kind: z.literal('tool'),
      phase: z.enum(['started', 'finished']).describe('Docker mode tells `finished` alone.'),
      call_id: text('The same in both phases.'),
      tool: text('Name of the tool.'),
      title: text('The command, path or the like, at most 200 characters.'),
      ok: z.boolean().optional().describe('`finished`: no error, and no exit code but 0.'),
      output: text('`finished`: the last 2,000 characters of what it answered.').optional(),
      exit_code: z.number().int().optional().describe('`finished`: of a command.'),
      duration_ms: number('`finished`: milliseconds.').optional(),
    })
    .describe('The agent began to use a tool, or is done with it.'),
  z
    .object({
      kind: z.literal('file_changed'),
      path: text("Relative to the task's directory; absolute outside of it."),
      tool: text('Name of the tool.'),
    })
    .describe('A tool wrote the file it names. What a shell changes is told at the end, in `result`.'),
  z
    .object({ kind: z.literal('todo'), items: z.array(todoSchema).describe('The whole list.') })
    .describe('The agent made or changed its list of steps.'),
  z
    .object({ kind: z.literal('request_opened'), request: taskRequestSchema.describe('What is asked.') })
    .describe(
      'A permission or question waits for an answer, be it only for that of the policy. A paused task stays paused.',
    ),
  z
    .object({
      kind: z.literal('request_closed'),
      request_id: text('`id` of the request.'),
      by: text(
        'Who closed it: an agent, a person, `policy …`, `deadline`, `opencode`, or what made it void.',
      ),
      reply: text(
        '`once`, `always`, `reject`, the answers; `answered` where only what followed shows that, `none` where it is void, `unknown` if nobody said.',
      ),
      message: text('What the agent was told with it.').optional(),
    })
    .describe('A request was answered, or has become void. `running` once no other is open.'),
  z
    .object({
      kind: z.literal('message'),
      from: z.enum(['agent', 'human', 'system']).describe('Who said it; `system` is the bridge.'),
      type: text(
        'A word for the kind of message; `recovery` sends on an agent that lost OpenCode.',
      ).optional(),
      delivery: z.enum(['queue', 'interrupt']).describe('After the present turn, or at once.'),
      text: text('What was said.'),
      ref,
    })
    .describe('Somebody said something to the agent; it waits for the next prompt.'),
  z
    .object({
      kind: z.literal('message_sent'),
      message_seqs: z.array(count).describe('`seq` of each message that the prompt carries.'),
      prompt_id: text('Id of the message in OpenCode, or name of the container.'),
    })
    .describe('Right before a further prompt leaves.'),
  z
    .object({
      kind: z.literal('control'),
      control: z.enum(['cancel', 'pause', 'resume']).describe('What is to be done.'),
      by: text('Who asked for it.'),
      reason: text('Why.').optional(),
      ref,
    })
    .describe('A cancel, pause or resume was asked for, before it is done.'),
  z
    .object({
      kind: z.literal('retrying'),
      attempt: number('Counted from 1.'),
      message: text('What the provider said.'),
      next_at: time('When the model is called again'),
    })
    .describe('A call of the model failed; OpenCode makes it again.'),
  z
    .object({ kind: z.literal('usage'), usage: usageSchema.describe('The sums so far.') })
    .describe('A step of the model was counted.'),
  z
    .object({
      kind: z.literal('warning'),
      code: text(
        'Such as `ENGINE_UNREACHABLE`, `BRIDGE_RESTARTED` or `REQUEST_ANSWERED_OUTSIDE`, or the name of an error of OpenCode.',
      ),
      message: text('What it is.'),
    })
    .describe('Something went wrong that did not end the task.'),
  z.object({ kind: z.literal('paused') }).describe('A pause is done: nothing runs, and time stands still.'),
  z
    .object({ kind: z.literal('resumed') })
    .describe('A pause is over; `input_required` where a request is open.'),
  z
    .object({ kind: z.literal('completed'), result: taskResultSchema.describe('What it came to.') })
    .describe('The end: the agent is done.'),
  z
    .object({
      kind: z.literal('failed'),
      error: taskErrorSchema.describe('Why.'),
      result: endResult,
    })
    .describe('The end: something went wrong, or a limit of money or tokens was reached.'),
  z
    .object({
      kind: z.literal('timeout'),
      error: taskErrorSchema.describe('Which limit it was.'),
      result: endResult,
    })
    .describe('The end: the time limit was reached.'),
  z
    .object({
      kind: z.literal('cancelled'),
      by: text('Who asked for it.'),
      reason: text('Why.').optional(),
      result: endResult,
    })
    .describe('The end: somebody cancelled it.'),
]);

export type Usage = z.infer<typeof usageSchema>;
export type FileChange = z.infer<typeof fileChangeSchema>;
export type TaskResult = z.infer<typeof taskResultSchema>;
export type TaskError = z.infer<typeof taskErrorSchema>;
export type InputRequest = z.infer<typeof taskRequestSchema>;
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
