import { z } from 'zod';
import { taskFields, viewTask } from '../../api/task-view.ts';
import { isSettled } from '../../api/wait-for-task.ts';
import { describeEvent } from '../../tasks/describe-event.ts';
import type { Task } from '../../tasks/task.ts';
import { CLAMPED } from '../coerce-arguments.ts';
import { agentId, taskId } from '../inputs.ts';
import { textOfTask } from '../task-text.ts';
import { defineTool, hint, MAX_WAIT_MS, READ_ONLY, type ToolServices } from '../tool.ts';
import { waitFor } from '../wait.ts';

const LAST_EVENTS = 5;
const LOOK_BACK = 50;

/** Where a task stands; with `wait_ms`, as soon as that changes. */
export const getTaskStatus = defineTool({
  name: 'get_task_status',
  title: 'Task status',
  description: 'Status, requests and result of a task. wait_ms waits for a change: do not poll.',
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
    const isOver = (now: Task): boolean => isSettled(now) || shown(now) !== shown(before);
    const task =
      wait_ms > 0 ? await waitFor(before, call, { afterSeq: before.lastSeq, ms: wait_ms, isOver }) : before;
    const structured = {
      ...(await viewTask(task, services)),
      last_events: await lastEvents(task, services),
    };
    return {
      structured,
      text: [textOfTask(structured), 'Last events:', ...structured.last_events].join('\n'),
    };
  },
});

/** A request that the bridge answers by itself is no change of status. */
function shown({ status }: Task): string {
  return status === 'input_required' ? 'running' : status;
}

async function lastEvents(task: Task, { execution }: ToolServices): Promise<string[]> {
  const recent = await execution.events(task, Math.max(0, task.lastSeq - LOOK_BACK), LOOK_BACK);
  const lines = recent.flatMap((event) => {
    const line = describeEvent(event);
    return line === undefined ? [] : [`${event.seq} ${new Date(event.at).toISOString()} ${line}`];
  });
  return lines.slice(-LAST_EVENTS);
}
