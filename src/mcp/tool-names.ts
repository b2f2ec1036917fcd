import type { OperationNames } from '../api/operation-names.ts';

/** The operations as tools. */
export const TOOL_NAMES: OperationNames = {
  status: 'get_task_status',
  list: 'list_tasks',
  files: 'get_task_files',
  file: 'read_task_file',
  health: 'The health tool',
  wait: (taskId) => `get_task_status with task_id "${taskId}" and wait_ms 50000`,
  continueFrom: (taskId) => `opencode_execute_task with continue_task_id "${taskId}"`,
  message: (taskId) => `send_task_message on ${taskId}`,
  control: (_taskId, control) => `send_task_control with control "${control}"`,
  answer: (_taskId, requestId) => `answer_task_request with request_id "${requestId}"`,
};
