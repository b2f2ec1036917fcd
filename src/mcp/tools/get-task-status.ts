import { z } from 'zod';
import { CLAMPED } from '../../api/coerce-arguments.ts';
import { agentId, taskId } from '../../api/inputs.ts';
import { type TaskView, taskFields } from '../../api/task-view.ts';
import { changedSince } from '../../api/wait-for-task.ts';
import { MAX_ANSWER } from '../answer-limits.ts';
import { statusView } from '../status-view.ts';
import { textOfTask } from '../task-text.ts';
import { defineTool, hint, MAX_WAIT_MS, READ_ONLY } from '../tool.ts';
import { waitFor } from '../wait.ts';

/** Where a task stands; with `wait_ms`, as soon as that changes. */
export const getTaskStatus = defineTool({
  name: 'get_task_status',
  title: 'Task status',
  description: 'Status, requests and result of a coding task. wait_ms waits for a change: do not poll.',
  input: z.strictObject({
    task_id: taskId,
    agent_id: agentId,
    wait_ms: z.int().min(0).max(MAX_WAIT_MS).register(CLAMPED, { max: MAX_WAIT_MS }).default(0),
  }),
  output: z.object({ ...taskFields, last_events: z.array(z.string()), hint }),
  annotations: READ_ONLY,
  claude: { alwaysLoad: true, maxResultSizeChars: MAX_ANSWER },
  async run({ task_id, wait_ms }, call) {
    const { services } = call;
    const before = await services.execution.find(call.agentId(), task_id);
    const isOver = changedSince(before);
    const task =
      wait_ms > 0 ? await waitFor(before, call, { afterSeq: before.lastSeq, ms: wait_ms, isOver }) : before;
    const structured = await statusView(task, services);
    return {
      structured,
      text: [textOfTask(structured), timesLine(structured), 'Last events:', ...structured.last_events].join(
        '\n',
      ),
    };
  },
});

function timesLine({ created_at, started_at, ended_at, session_id, last_seq }: TaskView): string {
  const times = [
    `Created ${created_at}`,
    ...(started_at === undefined ? [] : [`started ${started_at}`]),
    ...(ended_at === undefined ? [] : [`ended ${ended_at}`]),
    ...(session_id === undefined ? [] : [`session ${session_id}`]),
    `last event ${last_seq}`,
  ];
  return `${times.join('; ')}.`;
}
