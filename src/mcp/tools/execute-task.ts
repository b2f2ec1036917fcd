import { z } from 'zod';
import { requireObservers } from '../../api/observers.ts';
import { outcomeFields, viewOutcome } from '../../api/task-view.ts';
import { isSettled } from '../../api/wait-for-task.ts';
import { agentId, path, shortText, taskId } from '../inputs.ts';
import { textOfTask } from '../task-text.ts';
import { defineTool, hint, MAX_WAIT_MS } from '../tool.ts';
import { waitFor } from '../wait.ts';

/** More than any task uses. */
const MAX_TOKENS = 1_000_000_000;

/** Hands a task over; with `sync`, waits for it a while. */
export const executeTask = defineTool({
  name: 'opencode_execute_task',
  title: 'Hand over a task',
  description:
    'Lets OpenCode write, run and test code. Answers at once with a task_id; sync waits up to 50 s.',
  input: z.strictObject({
    task_description: z.string(),
    agent_id: agentId,
    idempotency_key: shortText.optional().describe('Same key, same task'),
    timeout_ms: z.int().min(1).optional(),
    max_cost_usd: z.number().positive().optional(),
    max_tokens: z.int().min(1).max(MAX_TOKENS).optional(),
    sync: z.boolean().default(false),
    directory: path.optional().describe('Default: a new folder'),
    model: shortText.optional().describe('provider/model'),
    agent: shortText.optional(),
    observers: z.array(z.string()).optional().describe('@user:server'),
    continue_task_id: taskId.optional().describe('Task to go on from'),
  }),
  output: z.object({ ...outcomeFields, repeated: z.boolean(), hint }),
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  async run(input, call) {
    const { services } = call;
    requireObservers(input.observers);
    const accepted = await services.execution.execute(call.agentId(), {
      description: input.task_description,
      idempotencyKey: input.idempotency_key,
      timeoutMs: input.timeout_ms,
      maxCostUsd: input.max_cost_usd,
      maxTokens: input.max_tokens,
      directory: input.directory,
      model: input.model,
      agent: input.agent,
      observers: input.observers,
      continueTaskId: input.continue_task_id,
    });
    const task = input.sync
      ? await waitFor(accepted.task, call, { afterSeq: 0, ms: MAX_WAIT_MS, isOver: isSettled })
      : accepted.task;
    const structured = { ...(await viewOutcome(task, services)), repeated: accepted.repeated };
    const note = accepted.repeated ? 'This idempotency_key was used before; this is its task.' : undefined;
    return { structured, text: textOfTask(structured), hint: note };
  },
});
