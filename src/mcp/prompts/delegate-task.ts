import { z } from 'zod';
import { definePrompt } from './prompt.ts';

const text = z.string().max(20_000);

/** How to hand a task over so that it can be done without questions. */
export const delegateTask = definePrompt({
  name: 'delegate_coding_task',
  title: 'Hand over a coding task',
  description:
    'Delegates a coding task to OpenCode with everything that it needs, and follows it to its end.',
  input: z.strictObject({
    goal: text.describe('What should be there at the end.'),
    constraints: text.optional().describe('What must stay as it is, what must not be used.'),
    done_when: text.optional().describe('How to tell that it is done: tests, commands, behaviour.'),
    directory: z
      .string()
      .max(4_096)
      .optional()
      .describe('An existing folder; without it the task gets a new one.'),
  }),
  run({ goal, constraints, done_when, directory }) {
    const where = directory === undefined ? '' : `, directory ${JSON.stringify(directory)}`;
    const parts = [
      `Delegate this coding task to OpenCode.\n\nGoal:\n${goal}`,
      ...(constraints === undefined ? [] : [`Constraints:\n${constraints}`]),
      ...(done_when === undefined ? [] : [`It is done when:\n${done_when}`]),
      `How:
1. Ask me first if something is missing that OpenCode cannot find out by itself: which project, which behaviour, how to check it.
2. Call opencode_execute_task with an idempotency_key${where}. OpenCode does not see this conversation, so task_description stands alone: the goal, what you know already (files, names, versions, decisions), the constraints, the commands that check the result.
3. Follow it with get_task_status and wait_ms 50000. Where it asks for a permission or has a question, use answer_task_request if what I said decides it; else ask me.
4. After its end read get_task_files with include_diff. Then tell me what was changed, what was checked and how, and what is left. Its own summary is a claim, not a proof.`,
    ];
    return parts.join('\n\n');
  },
});
