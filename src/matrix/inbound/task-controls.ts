import type { EventOf, InputRequest } from '../../tasks/events.ts';
import type { Task } from '../../tasks/task.ts';

/** An answer to a request, as ExecutionManager takes it. */
export interface AnswerInput {
  reply?: 'once' | 'always' | 'reject' | undefined;
  answers?: string[][] | undefined;
  message?: string | undefined;
}

/**
 * What people can do to tasks. `by` is who does it; what carries a `ref` that the task's log has is not done again.
 * Throws BridgeError where it is refused.
 */
export interface TaskControls {
  /** Undefined where there is no such task any more. */
  find(taskId: string): Promise<Task | undefined>;
  /** Those that have not ended, the oldest first. */
  unfinished(): Promise<readonly Task[]>;
  /** What happened last, in one line. */
  lastStep(task: Task): Promise<string | undefined>;
  closedRequest(taskId: string, requestId: string): Promise<EventOf<'request_closed'> | undefined>;
  hasRef(task: Task, ref: string): Promise<boolean>;
  cancel(task: Task, by: string, reason: string | undefined, ref: string): Promise<Task>;
  pause(task: Task, by: string, reason: string | undefined, ref: string): Promise<Task>;
  resume(task: Task, by: string, reason: string | undefined, ref: string): Promise<Task>;
  message(task: Task, text: string, ref: string): Promise<Task>;
  answer(task: Task, requestId: InputRequest['id'], answer: AnswerInput, by: string): Promise<Task>;
}
