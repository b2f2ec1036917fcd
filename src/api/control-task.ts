import { z } from 'zod';
import { TASK_STATUSES, type Task } from '../tasks/task.ts';
import { nextStep } from './next-step.ts';
import type { OperationNames } from './operation-names.ts';
import type { ApiServices } from './services.ts';

export const CONTROLS = ['cancel', 'pause', 'resume'] as const;
export type Control = (typeof CONTROLS)[number];

export const controlledSchema = z.object({
  task_id: z.string(),
  status: z.enum(TASK_STATUSES),
  next: z.string(),
});

/** Cancels, pauses or resumes the caller's task. */
export async function controlTask(
  { execution }: ApiServices,
  task: Task,
  control: Control,
  reason: string | undefined,
  names: OperationNames,
): Promise<z.output<typeof controlledSchema>> {
  const after = await execution[control](task, task.agentId, reason);
  return { task_id: task.id, status: after.status, next: nextStep(after, names) };
}
