import { z } from 'zod';
import { TASK_STATUSES, type TaskStatus } from '../../tasks/task.ts';
import { agentId, shortText, taskId } from '../inputs.ts';
import { defineTool } from '../tool.ts';

const DELIVERIES = ['queue', 'interrupt'] as const;

/** Says something to the agent that works on a task. */
export const sendTaskMessage = defineTool({
  name: 'send_task_message',
  title: 'Message a task',
  description: 'Tells the agent more: queue = after its turn, interrupt = now.',
  input: z.strictObject({
    task_id: taskId,
    agent_id: agentId,
    message: z.string().max(1_000_000),
    message_type: shortText.optional(),
    delivery: z.enum(DELIVERIES).default('queue'),
  }),
  output: z.object({
    task_id: z.string(),
    status: z.enum(TASK_STATUSES),
    delivery: z.enum(DELIVERIES),
    effect: z.string(),
  }),
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
  async run({ task_id, message, message_type, delivery }, call) {
    const { execution } = call.services;
    const task = await execution.find(call.agentId(), task_id);
    const { status } = await execution.message(task, 'agent', message, delivery, {
      type: message_type,
    });
    const effect = effectOf(status, delivery);
    return {
      structured: { task_id, status, delivery, effect },
      text: `Task ${task_id} is ${status}. ${effect}`,
    };
  },
});

function effectOf(status: TaskStatus, delivery: (typeof DELIVERIES)[number]): string {
  if (status === 'paused') return 'The task is paused; the message is read on resume.';
  if (delivery === 'interrupt') return 'The turn was interrupted; the agent reads the message now.';
  if (status === 'input_required')
    return 'The agent reads it after its present turn, which waits for an answer.';
  return 'The agent reads it after its present turn.';
}
