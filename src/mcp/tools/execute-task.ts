import { z } from 'zod';
import { createTask, createTaskFields } from '../../api/create-task.ts';
import { agentId } from '../../api/inputs.ts';
import { outcomeFields, viewOutcome } from '../../api/task-view.ts';
import { isSettled } from '../../api/wait-for-task.ts';
import { textOfTask } from '../task-text.ts';
import { defineTool, hint, MAX_WAIT_MS, type ToolCall } from '../tool.ts';
import { TOOL_NAMES } from '../tool-names.ts';
import { waitFor } from '../wait.ts';

const { task_description, idempotency_key, timeout_ms, max_cost_usd, max_tokens, ...rest } = createTaskFields;

/** Hands a task over; with `sync`, waits for it a while. */
export const executeTask = defineTool({
  name: 'opencode_execute_task',
  title: 'Hand over a task',
  description:
    'Delegate a coding task to OpenCode, which writes, runs and tests code on its own. Answers at once; sync waits up to 50 s.',
  input: z.strictObject({
    task_description,
    agent_id: agentId,
    idempotency_key,
    timeout_ms,
    max_cost_usd,
    max_tokens,
    sync: z.boolean().default(false),
    ...rest,
  }),
  output: z.object({ ...outcomeFields, repeated: z.boolean(), hint }),
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  claude: { alwaysLoad: true },
  async run({ sync, ...input }, call) {
    const { services } = call;
    const accepted = await (call.begun
      ? goOn(call.begun, call)
      : createTask(services, call.agentId(), input, call.origin));
    const task = sync
      ? await waitFor(accepted.task, call, { afterSeq: 0, ms: MAX_WAIT_MS, isOver: isSettled })
      : accepted.task;
    const structured = {
      ...(await viewOutcome(task, services, TOOL_NAMES)),
      repeated: accepted.repeated,
    };
    const note = accepted.repeated ? 'This idempotency_key was used before; this is its task.' : undefined;
    return { structured, text: textOfTask(structured), hint: note };
  },
});

async function goOn({ taskId, repeated }: NonNullable<ToolCall['begun']>, call: ToolCall) {
  return { task: await call.services.execution.find(call.agentId(), taskId), repeated };
}
