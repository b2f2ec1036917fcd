import { z } from 'zod';
import { nextStep } from '../../api/next-step.ts';
import { TASK_STATUSES } from '../../tasks/task.ts';
import { agentId, reason, taskId } from '../inputs.ts';
import { defineTool } from '../tool.ts';

/** Cancels, pauses or resumes a task. */
export const sendTaskControl = defineTool({
  name: 'send_task_control',
  title: 'Control a task',
  description: 'cancel ends a task, pause interrupts it, resume lets it go on.',
  input: z.strictObject({
    task_id: taskId,
    agent_id: agentId,
    control: z.enum(['cancel', 'pause', 'resume']),
    reason: reason.optional(),
  }),
  output: z.object({ task_id: z.string(), status: z.enum(TASK_STATUSES), next: z.string() }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  async run({ task_id, control, reason }, call) {
    const { execution } = call.services;
    const caller = call.agentId();
    const task = await execution[control](await execution.find(caller, task_id), caller, reason);
    const next = nextStep(task);
    return {
      structured: { task_id, status: task.status, next },
      text: `Task ${task_id} is ${task.status}.\nNext: ${next}`,
    };
  },
});
