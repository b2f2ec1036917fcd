import type { OperationNames } from '../api/operation-names.ts';

/** The operations as requests of the task API. */
export const ROUTE_NAMES: OperationNames = {
  status: 'GET /tasks/{id}',
  list: 'GET /tasks',
  files: 'GET /tasks/{id}/files',
  file: 'GET /tasks/{id}/files/{path}',
  health: 'GET /health',
  wait: (taskId) => `GET /tasks/${taskId}/status?wait_ms=50000`,
  continueFrom: (taskId) => `POST /tasks/execute with continue_task_id "${taskId}"`,
  message: (taskId) => `POST /tasks/${taskId}/messages`,
  control: (taskId, control) => `POST /tasks/${taskId}/${control}`,
  answer: (taskId, requestId) => `POST /tasks/${taskId}/requests/${requestId}`,
};
