import { z } from 'zod';
import { CONTROLS, controlledSchema, controlTask } from '../../api/control-task.ts';
import { agentId, reason, taskId } from '../../api/inputs.ts';
import { defineTool } from '../tool.ts';
import { TOOL_NAMES } from '../tool-names.ts';

/** Cancels, pauses or resumes a task. */
export const sendTaskControl = defineTool({
  name: 'send_task_control',
  title: 'Control a task',
  description: 'cancel ends a task, pause interrupts it, resume lets it go on.',
  input: z.strictObject({
    task_id: taskId,
    agent_id: agentId,
    control: z.enum(CONTROLS),
    reason: reason.optional(),
  }),
  output: controlledSchema,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  claude: { searchHint: 'stop coding task' },
  async run({ task_id, control, reason }, call) {
    const { services } = call;
    const task = await services.execution.find(call.agentId(), task_id);
    const structured = await controlTask(services, task, control, reason, TOOL_NAMES);
    return {
      structured,
      text: `Task ${task_id} is ${structured.status}.\nNext: ${structured.next}`,
    };
  },
});
