import { z } from 'zod';
import { taskId } from '../../api/inputs.ts';
import { isEnd, type Task } from '../../tasks/task.ts';
import { definePrompt } from './prompt.ts';
import { asData, diffOf, factsOf } from './task-data.ts';

/** How to go on after a task that did not reach its goal. */
export const continueTask = definePrompt({
  name: 'continue_task',
  title: 'Continue a failed task',
  description: 'Finds out why a task failed, and hands it over again with what was missing.',
  completes: ['failed', 'timeout', 'cancelled'],
  input: z.strictObject({
    task_id: taskId.describe('The task that failed.'),
    instructions: z.string().max(20_000).optional().describe('What should be different this time.'),
  }),
  async run({ task_id, instructions }, caller) {
    const { services } = caller;
    const task = await services.execution.find(caller.owner(), task_id);
    const data = `${await factsOf(task, services)}\n\n${await diffOf(task, services)}`;
    const wish = instructions === undefined ? '' : `\n\nWhat should be different this time:\n${instructions}`;
    return `Get task ${task.id} to its goal; it is ${task.status}.${wish}

1. Find the cause: the error and the last events below, then get_task_history with task_id ${task.id}. Tell apart what the agent did wrong, what was missing in the description, and what the surroundings lacked (a limit, a key, a program, a permission).
2. See what is there already: get_task_files with include_diff.
3. ${howToGoOn(task)}
4. Follow the new task with get_task_status and wait_ms 50000, and tell me how it ended. If the same cause stops it again, do not try a third time: tell me.

${asData(data)}`;
  },
});

function howToGoOn({ id, status, sessionId }: Task): string {
  if (!isEnd(status)) {
    return `It has not ended: do not start another one. send_task_message with task_id ${id} steers it, answer_task_request answers what it asks.`;
  }
  const say = 'Its task_description says what went wrong, what to keep, what to do now, and how to check it.';
  if (sessionId === undefined) {
    return `It never had a session, so start anew: opencode_execute_task with an idempotency_key. ${say}`;
  }
  return `Call opencode_execute_task with continue_task_id ${id} and an idempotency_key: the same session and folder go on. ${say} Where the time or the budget was too small, give a larger timeout_ms, max_tokens or max_cost_usd.`;
}
