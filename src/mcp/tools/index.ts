import type { Tool } from '../tool.ts';
import { answerTaskRequest } from './answer-task-request.ts';
import { executeTask } from './execute-task.ts';
import { getTaskFiles } from './get-task-files.ts';
import { getTaskHistory } from './get-task-history.ts';
import { getTaskStatus } from './get-task-status.ts';
import { health } from './health.ts';
import { listTasks } from './list-tasks.ts';
import { ping } from './ping.ts';
import { readTaskFile } from './read-task-file.ts';
import { sendTaskControl } from './send-task-control.ts';
import { sendTaskMessage } from './send-task-message.ts';

/** Every tool there is, in the order of tools/list. */
export const TOOLS: readonly Tool[] = [
  executeTask,
  getTaskStatus,
  sendTaskMessage,
  sendTaskControl,
  answerTaskRequest,
  getTaskHistory,
  getTaskFiles,
  readTaskFile,
  listTasks,
  ping,
  health,
];
