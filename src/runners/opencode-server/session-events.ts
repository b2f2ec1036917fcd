import type { OpenCodeEvent, SessionStatus } from '../opencode-protocol/wire.ts';
import { reconcile } from './reconcile.ts';
import type { Moment, SessionState, Step } from './session-state.ts';
import type { Verdict } from './turn-state.ts';
import { andThen, conclude, emit, step, withTurn } from './turn-steps.ts';
import { touch } from './watchdog.ts';

/** Reasons of a retry that show no activity of the model; by the texts of OpenCode 1.18.33. */
const MODEL_HANGS = /timed out/i;

/** What an event means: first for the task's log, then for the turn. */
export function onEvent(state: SessionState, event: OpenCodeEvent, at: Moment): Step {
  const [projection, events] = state.projection.onEvent(event, at.approvals);
  const projected = step({ ...state, projection }, ...emit(events));
  return state.turn ? andThen(projected, (next) => onTurnEvent(next, event, at)) : projected;
}

function onTurnEvent(state: SessionState, event: OpenCodeEvent, at: Moment): Step {
  const { sessionId, turn } = state;
  if (!turn) return step(state);
  const { evidence } = turn;
  if (event.type === 'message.part.updated') {
    const { part } = event.properties;
    const reached = evidence.onPart(part.messageID);
    const next = part.type === 'text' ? reached.onText(part.messageID, part.id, part.text) : reached;
    return step(withTurn(state, { evidence: next }));
  }
  if (event.type === 'message.updated') {
    const { info } = event.properties;
    return step(
      info.sessionID === sessionId ? withTurn(state, { evidence: evidence.onMessage(info) }) : state,
    );
  }
  if (event.type === 'session.status') {
    return onStatus(state, event.properties.sessionID, event.properties.status, at.now);
  }
  if (event.type === 'session.error') {
    const { sessionID, error } = event.properties;
    if (!error || sessionID !== sessionId) return step(state);
    const next = evidence.onError(error);
    return onVerdict(withTurn(state, { evidence: next }), next.verdictAfter(error));
  }
  // Deleting a session does not stop what runs in it.
  if (event.type === 'session.deleted' && event.properties.info.id === sessionId)
    return step(state, { type: 'abort deleted session' });
  return step(state);
}

function onStatus(state: SessionState, sessionId: string, status: SessionStatus, now: number): Step {
  const isRetry = status.type === 'retry' && !MODEL_HANGS.test(status.message);
  const touched = isRetry ? touch(state, status.next, now) : step(state);
  if (sessionId === state.sessionId) {
    return andThen(touched, (next) => {
      const evidence = next.turn?.evidence.onStatus(status);
      if (!evidence) return step(next);
      const verdict = status.type === 'idle' ? evidence.verdictWhenIdle : 'running';
      return onVerdict(withTurn(next, { evidence }), verdict);
    });
  }
  const wakes = status.type === 'idle' && state.projection.background.awaits(sessionId);
  return wakes ? andThen(touched, reconcile) : touched;
}

/** Where something may go on in the background, only the records can end the turn. */
function onVerdict(state: SessionState, verdict: Verdict): Step {
  const isEnd = typeof verdict === 'object';
  if (verdict === 'unsure' || (isEnd && state.projection.background.any)) return reconcile(state);
  return isEnd ? conclude(state, verdict) : step(state);
}
