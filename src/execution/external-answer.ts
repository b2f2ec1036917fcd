import type { EventOf, InputRequest, TaskEvent } from '../tasks/events.ts';
import type { TerminationReason } from './termination.ts';

const CODE = 'REQUEST_ANSWERED_OUTSIDE';

/** What else there is to tell of a request that is closed: a warning where somebody answered it past the bridge. */
export function externalAnswerWarning(
  request: InputRequest,
  { by, reply }: EventOf<'request_closed'>,
): EventOf<'warning'> | undefined {
  if (by !== 'opencode' || reply === 'unknown') return undefined;
  const message = `Request "${request.id}" (${request.title}) was answered in OpenCode, not through the bridge: ${reply}.`;
  return { kind: 'warning', code: CODE, message };
}

/** How a task ends for which the operator has such requests asked, and that found a way around that. */
export function terminationByExternalAnswer(
  answered: readonly InputRequest[],
  isAsked: (request: InputRequest) => boolean,
): TerminationReason | undefined {
  const request = answered.find(isAsked);
  if (!request) return undefined;
  const message = `Request "${request.id}" (${request.title}) was answered by somebody other than the bridge, on the bridge's own OpenCode server.`;
  const next =
    'The task may have allowed itself what was asked. Look at its history and its files before anything of it is used.';
  return { kind: 'outside answer', error: { code: CODE, message, next } };
}

/** The requests of a log that somebody answered past the bridge. */
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
