import { z } from 'zod';
import { BridgeError } from '../errors.ts';
import { TASK_STATUSES, type Task } from '../tasks/task.ts';
import { reason } from './inputs.ts';
import { nextStep } from './next-step.ts';
import type { OperationNames } from './operation-names.ts';
import type { ApiServices } from './services.ts';

const label = z.string().min(1).max(4_000);

/** An answer to a permission (`reply`) or to a question (`answers`). */
export const answerFields = {
  reply: z.enum(['once', 'always', 'reject']).optional(),
  answers: z
    .array(z.union([label, z.array(label).max(100)]))
    .max(100)
    .optional(),
  message: reason.optional(),
};
export type Answer = z.output<z.ZodObject<typeof answerFields>>;

export const answeredSchema = z.object({
  task_id: z.string(),
  request_id: z.string(),
  status: z.enum(TASK_STATUSES),
  outcome: z.string(),
  next: z.string(),
});

/** Answers an open request of the caller's task. */
export async function answerRequest(
  { execution }: ApiServices,
  task: Task,
  request_id: string,
  { reply, answers, message }: Answer,
  names: OperationNames,
): Promise<z.output<typeof answeredSchema>> {
  if ((reply === undefined) === (answers === undefined)) throw oneOfBoth(reply !== undefined);
  const answer = { reply, answers: answers && listsOf(answers), message };
  const after = await execution.answer(task, request_id, answer, task.agentId);
  const outcome = reply ? `closed: ${reply}` : 'closed: answered';
  return { task_id: task.id, request_id, status: after.status, outcome, next: nextStep(after, names) };
}

/** A list of plain labels answers a single question. */
function listsOf(answers: readonly (string | string[])[]): string[][] {
  const plain = answers.filter((answer) => typeof answer === 'string');
  if (plain.length > 0 && plain.length === answers.length) return [plain];
  return answers.map((answer) => (typeof answer === 'string' ? [answer] : answer));
}

function oneOfBoth(both: boolean): BridgeError {
  return new BridgeError(
    'INVALID_INPUT',
    both ? '`reply` and `answers` are both given.' : '`reply` and `answers` are both missing.',
    { next: 'Give reply (once, always, reject) to a permission, answers to a question.' },
  );
}
