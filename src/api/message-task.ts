import { z } from 'zod';
import { TASK_STATUSES, type Task, type TaskStatus } from '../tasks/task.ts';
import { shortText } from './inputs.ts';
import type { ApiServices } from './services.ts';

const DELIVERIES = ['queue', 'interrupt'] as const;

/** A message to the agent that works on a task. */
export const messageFields = {
  message: z.string().max(1_000_000),
  message_type: shortText.optional(),
  delivery: z.enum(DELIVERIES).default('queue'),
};
export type TaskMessage = z.output<z.ZodObject<typeof messageFields>>;

export const messagedSchema = z.object({
  task_id: z.string(),
  status: z.enum(TASK_STATUSES),
  delivery: z.enum(DELIVERIES),
  effect: z.string(),
});

/** Sends a message to the caller's task. */
export async function messageTask(
  { execution }: ApiServices,
  task: Task,
  { message, message_type, delivery }: TaskMessage,
): Promise<z.output<typeof messagedSchema>> {
  const { status } = await execution.message(task, 'agent', message, delivery, { type: message_type });
  return { task_id: task.id, status, delivery, effect: effectOf(status, delivery) };
}

function effectOf(status: TaskStatus, delivery: (typeof DELIVERIES)[number]): string {
  if (status === 'paused') return 'The task is paused; the message is read on resume.';
  if (delivery === 'interrupt') return 'The turn was interrupted; the agent reads the message now.';
  if (status === 'input_required')
    return 'The agent reads it after its present turn, which waits for an answer.';
  return 'The agent reads it after its present turn.';
}
