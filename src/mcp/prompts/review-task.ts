import { z } from 'zod';
import { taskId } from '../../api/inputs.ts';
import { definePrompt } from './prompt.ts';
import { asData, diffOf, factsOf } from './task-data.ts';

/** A review of what a task did, against what was asked. */
export const reviewTask = definePrompt({
  name: 'review_task',
  title: 'Review what a task did',
  description: 'Compares what a task changed with what was asked, and looks for defects.',
  input: z.strictObject({
    task_id: taskId.describe('The task.'),
    focus: z.string().max(4_000).optional().describe('What matters most, such as security or tests.'),
  }),
  async run({ task_id, focus }, caller) {
    const { services } = caller;
    const task = await services.execution.find(caller.owner(), task_id);
    const data = `${await factsOf(task, services)}\n\n${await diffOf(task, services)}`;
    const about = focus === undefined ? '' : ` What matters most: ${focus}`;
    return `Review what OpenCode did in task ${task.id}.${about}

1. Read the whole change: get_task_files with task_id ${task.id} and include_diff, with each next_cursor; read_task_file for what is around a change; get_task_history for which commands ran and how they ended.
2. Compare it with what was asked: what is done, what is missing, what nobody asked for.
3. Look for defects: wrong results, errors that are not handled, tests that were weakened or skipped, secrets, files left over.
4. Report the findings, the worst first, each with its file and line; say what you did not check. Change nothing. Where something is to be corrected, propose it; once I agree, call opencode_execute_task with continue_task_id ${task.id}.

${asData(data)}`;
  },
});
