import { z } from 'zod';
import { nextStep } from '../../api/next-step.ts';
import { BridgeError } from '../../errors.ts';
import { TASK_STATUSES } from '../../tasks/task.ts';
import { agentId, reason, shortText, taskId } from '../inputs.ts';
import { defineTool } from '../tool.ts';

const label = z.string().min(1).max(4_000);

/** Answers a permission or question of a task. */
export const answerTaskRequest = defineTool({
  name: 'answer_task_request',
  title: 'Answer a request',
  description:
    'Answers an input_required task: reply to a permission; answers (labels or own words, a list per question) to a question; message says why you reject.',
  input: z.strictObject({
    task_id: taskId,
    agent_id: agentId,
    request_id: shortText,
    reply: z.enum(['once', 'always', 'reject']).optional(),
    answers: z
      .array(z.union([label, z.array(label).max(100)]))
      .max(100)
      .optional(),
    message: reason.optional(),
  }),
  output: z.object({
    task_id: z.string(),
    request_id: z.string(),
    status: z.enum(TASK_STATUSES),
    outcome: z.string(),
    next: z.string(),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: false },
  async run({ task_id, request_id, reply, answers, message }, call) {
    const { execution } = call.services;
    const caller = call.agentId();
    const task = await execution.find(caller, task_id);
    if ((reply === undefined) === (answers === undefined)) throw oneOfBoth(reply !== undefined);
    const answer = { reply, answers: answers && listsOf(answers), message };
    const after = await execution.answer(task, request_id, answer, caller);
    const outcome = reply ? `closed: ${reply}` : 'closed: answered';
    const next = nextStep(after);
    return {
      structured: { task_id, request_id, status: after.status, outcome, next },
      text: `Request ${request_id} is ${outcome}. Task ${task_id} is ${after.status}.\nNext: ${next}`,
    };
  },
});

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
