import type { ExecutionManager } from '../execution/execution-manager.ts';
import type { TaskControls } from '../matrix/inbound/task-controls.ts';
import type { TaskStore } from '../store/task-store.ts';
import { describeEvent } from '../tasks/describe-event.ts';

/** Of so many events of a task, the last that says something. */
const LOOK_BACK = 50;

/** What people in Matrix can do to the tasks of all agents. */
export function taskControls(execution: ExecutionManager, store: TaskStore): TaskControls {
  return {
    find: (taskId) => store.get(taskId),
    unfinished: () => store.unfinished(),
    lastStep: (task) =>
      store
        .events(task.id, Math.max(0, task.lastSeq - LOOK_BACK), LOOK_BACK)
        .flatMap((event) => describeEvent(event) ?? [])
        .at(-1),
    closedRequest: (taskId, requestId) => store.closedRequest(taskId, requestId),
    hasRef: (task, ref) => execution.hasRef(task, ref),
    cancel: (task, by, reason, ref) => execution.cancel(task, by, reason, ref),
    pause: (task, by, reason, ref) => execution.pause(task, by, reason, ref),
    resume: (task, by, reason, ref) => execution.resume(task, by, reason, ref),
    message: (task, text, ref) => execution.message(task, 'human', text, 'queue', { ref }),
    answer: (task, requestId, answer, by) => execution.answer(task, requestId, answer, by),
  };
}
