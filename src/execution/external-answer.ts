import type { EventOf, InputRequest, TaskEvent } from '../tasks/events.ts';
import type { TerminationReason } from './termination.ts';

const CODE = 'REQUEST_ANSWERED_OUTSIDE';

/** A warning for a closed request if it was not answered through the bridge. */
export function externalAnswerWarning(
  request: InputRequest,
  { by, reply }: EventOf<'request_closed'>,
): EventOf<'warning'> | undefined {
  if (by !== 'opencode' || reply === 'unknown') return undefined;
  const message = `Request "${request.id}" (${request.title}) was answered in OpenCode, not through the bridge: ${reply}.`;
  return { kind: 'warning', code: CODE, message };
}

/** The termination of a task if one of its requests had to be asked but was answered around the bridge. */
export function terminationByExternalAnswer(
  answered: readonly InputRequest[],
  isAsked: (request: InputRequest) => boolean,
): TerminationReason | undefined {
  const request = answered.find(isAsked);
  if (!request) return undefined;
  const message = `Request "${request.id}" (${request.title}) was answered by somebody other than the bridge, on the bridge's own OpenCode server.`;
  const next =
    'The task may have granted itself the permission. Check its history and files before you use them.';
  return { kind: 'outside answer', error: { code: CODE, message, next } };
}

/** The requests in a log that were not answered through the bridge. */
export function answeredExternally(log: Iterable<TaskEvent>): InputRequest[] {
  const requests = new Map<string, InputRequest>();
  const found: InputRequest[] = [];
  let closed: InputRequest | undefined;
  for (const event of log) {
    if (event.kind === 'request_opened') requests.set(event.request.id, event.request);
    else if (event.kind === 'request_closed') closed = requests.get(event.request_id);
    else if (event.kind === 'warning' && event.code === CODE && closed) found.push(closed);
  }
  return found;
}
