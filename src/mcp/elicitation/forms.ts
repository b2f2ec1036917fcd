import type { InputRequest } from '../../tasks/events.ts';
import { isEnd, type Task } from '../../tasks/task.ts';

/**
 * What became of a form: the request is answered by it; or it is closed, by whoever was first; or the user closed the
 * form, gave what is no answer, or it was withdrawn: then the request is still open.
 */
export type FormOutcome = 'answered' | 'closed' | 'dismissed' | 'unusable' | 'withdrawn';

/** Shows what a task asks to the user of the client that waits for it. */
export interface Forms {
  /** Whether the request may be shown. */
  shows(task: Task, request: InputRequest): boolean;
  /** Shows it until it is filled in or `withdraw` aborts. */
  ask(task: Task, request: InputRequest, withdraw: AbortSignal): Promise<FormOutcome>;
}

/** Whether the operator allows forms. */
export function formsAllowed({ elicitation }: { elicitation?: 'auto' | 'off' }): boolean {
  return elicitation !== 'off';
}

/** The requests of a task that can still be answered; the bridge itself answers those past their deadline. */
export function openRequests({ requests }: Task): InputRequest[] {
  const now = Date.now();
  return requests.filter(({ expires_at }) => expires_at === undefined || expires_at > now);
}

/** Whether nobody can answer the request any more. */
export function isClosed({ status, requests }: Task, request: Pick<InputRequest, 'id'>): boolean {
  return isEnd(status) || !requests.some(({ id }) => id === request.id);
}
