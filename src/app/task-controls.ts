import type { ExecutionManager } from '../execution/execution-manager.ts';
import type { TaskControls } from '../matrix/inbound/task-controls.ts';
import { describeEvent } from '../tasks/describe-event.ts';

/** How many of a task's last events are searched for one with a description. */
const LOOK_BACK = 50;

/** What people in Matrix can do to the tasks of all agents. */
export function taskControls(execution: ExecutionManager): TaskControls {
  return {
    find: (taskId) => execution.get(taskId),
    unfinished: () => execution.unfinished(),
    lastStep: async (task) => {
      const events = await execution.events(task, Math.max(0, task.lastSeq - LOOK_BACK), LOOK_BACK);
      return events.flatMap((event) => describeEvent(event) ?? []).at(-1);
    },
    closedRequest: (taskId, requestId) => execution.closedRequest(taskId, requestId),
    hasRef: (task, ref) => execution.hasRef(task, ref),
    cancel: (task, by, reason, ref) => execution.cancel(task, by, reason, ref),
    pause: (task, by, reason, ref) => execution.pause(task, by, reason, ref),
    resume: (task, by, reason, ref) => execution.resume(task, by, reason, ref),
    message: (task, text, ref) => execution.message(task, 'human', text, 'queue', { ref }),
    answer: (task, requestId, answer, by) => execution.answer(task, requestId, answer, by),
  };
}
