import { z } from 'zod';
import { answeredSchema, answerFields, answerRequest } from '../../api/answer-request.ts';
import { agentId, shortText, taskId } from '../../api/inputs.ts';
import { defineTool } from '../tool.ts';
import { TOOL_NAMES } from '../tool-names.ts';

/** Answers a permission or question of a task. */
export const answerTaskRequest = defineTool({
  name: 'answer_task_request',
  title: 'Answer a request',
  description:
    'Answers an input_required task: reply to a permission; answers (labels or own words, a list per question) to a question; message says why you reject.',
  input: z.strictObject({ task_id: taskId, agent_id: agentId, request_id: shortText, ...answerFields }),
  output: answeredSchema,
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: false },
  claude: { searchHint: 'approve permission' },
  async run({ task_id, request_id, ...answer }, call) {
    const { services } = call;
    const task = await services.execution.find(call.agentId(), task_id);
    const structured = await answerRequest(services, task, request_id, answer, TOOL_NAMES);
    const { outcome, status, next } = structured;
    return {
      structured,
      text: `Request ${request_id} is ${outcome}. Task ${task_id} is ${status}.\nNext: ${next}`,
    };
  },
});
