import type { EventOf, InputRequest } from '../../tasks/events.ts';
import type { Task } from '../../tasks/task.ts';

/** An answer to a request, as ExecutionManager takes it. */
export interface AnswerInput {
  reply?: 'once' | 'always' | 'reject' | undefined;
  answers?: string[][] | undefined;
  message?: string | undefined;
}

/**
 * What people can do to tasks. `by` is the user. An action whose `ref` is in the task's log is not repeated.
 * Throws BridgeError where an action is refused.
 */
export interface TaskControls {
  /** Undefined where the task does not exist, or no longer. */
  find(taskId: string): Promise<Task | undefined>;
  /** The tasks that have not ended, the oldest first. */
  unfinished(): Promise<readonly Task[]>;
  /** The last step, in one line. */
  lastStep(task: Task): Promise<string | undefined>;
  closedRequest(taskId: string, requestId: string): Promise<EventOf<'request_closed'> | undefined>;
  hasRef(task: Task, ref: string): Promise<boolean>;
  cancel(task: Task, by: string, reason: string | undefined, ref: string): Promise<Task>;
  pause(task: Task, by: string, reason: string | undefined, ref: string): Promise<Task>;
  resume(task: Task, by: string, reason: string | undefined, ref: string): Promise<Task>;
  message(task: Task, text: string, ref: string): Promise<Task>;
  answer(task: Task, requestId: InputRequest['id'], answer: AnswerInput, by: string): Promise<Task>;
}
