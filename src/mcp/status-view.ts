import { lastEvents } from '../api/last-events.ts';
import { viewTask } from '../api/task-view.ts';
import type { Task } from '../tasks/task.ts';
import type { ToolServices } from './tool.ts';
import { TOOL_NAMES } from './tool-names.ts';

/** A task as `get_task_status` and its resource show it. */
export async function statusView(task: Task, services: ToolServices) {
  return {
    ...(await viewTask(task, services, TOOL_NAMES)),
    last_events: await lastEvents(task, services),
  };
}
