import { z } from 'zod';
import { CLAMPED } from '../../api/coerce-arguments.ts';
import { agentId, taskId } from '../../api/inputs.ts';
import { lastEvents } from '../../api/last-events.ts';
import { taskFields, viewTask } from '../../api/task-view.ts';
import { changedSince } from '../../api/wait-for-task.ts';
import { textOfTask } from '../task-text.ts';
import { defineTool, hint, MAX_WAIT_MS, READ_ONLY } from '../tool.ts';
import { TOOL_NAMES } from '../tool-names.ts';
import { waitFor } from '../wait.ts';

/** Where a task stands; with `wait_ms`, as soon as that changes. */
export const getTaskStatus = defineTool({
  name: 'get_task_status',
  title: 'Task status',
  description: 'Status, requests and result of a task. wait_ms waits: do not poll.',
  input: z.strictObject({
    task_id: taskId,
    agent_id: agentId,
    wait_ms: z.int().min(0).max(MAX_WAIT_MS).register(CLAMPED, { max: MAX_WAIT_MS }).default(0),
  }),
  output: z.object({ ...taskFields, last_events: z.array(z.string()), hint }),
  annotations: READ_ONLY,
  async run({ task_id, wait_ms }, call) {
    const { services } = call;
    const before = await services.execution.find(call.agentId(), task_id);
    const isOver = changedSince(before);
    const task =
      wait_ms > 0 ? await waitFor(before, call, { afterSeq: before.lastSeq, ms: wait_ms, isOver }) : before;
    const structured = {
      ...(await viewTask(task, services, TOOL_NAMES)),
      last_events: await lastEvents(task, services),
    };
    return {
      structured,
      text: [textOfTask(structured), 'Last events:', ...structured.last_events].join('\n'),
    };
  },
});
