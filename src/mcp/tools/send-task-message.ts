import { z } from 'zod';
import { agentId, taskId } from '../../api/inputs.ts';
import { messagedSchema, messageFields, messageTask } from '../../api/message-task.ts';
import { defineTool } from '../tool.ts';

/** Says something to the agent that works on a task. */
export const sendTaskMessage = defineTool({
  name: 'send_task_message',
  title: 'Message a task',
  description: 'Tells the agent more: queue (default) = after its turn, interrupt = now.',
  input: z.strictObject({ task_id: taskId, agent_id: agentId, ...messageFields }),
  output: messagedSchema,
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
  claude: { searchHint: 'steer coding agent' },
  async run({ task_id, ...message }, call) {
    const { services } = call;
    const task = await services.execution.find(call.agentId(), task_id);
    const structured = await messageTask(services, task, message);
    return { structured, text: `Task ${task_id} is ${structured.status}. ${structured.effect}` };
  },
});
