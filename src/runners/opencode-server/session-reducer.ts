import type { SessionStatus } from '../opencode-protocol/wire.ts';
import type { Projection } from './projection.ts';
import {
  onExplained,
  onReconciliationFailed,
  onReconciliationRead,
  onReconciliationTimer,
  onStreamAwaited,
  reconcile,
} from './reconcile.ts';
import type { Records } from './records.ts';
import { onEvent } from './session-events.ts';
import type { Effect, Input, Moment, ReadPurpose, SessionState, Step } from './session-state.ts';
import { TurnState } from './turn-state.ts';
import {
  afterStop,
  andThen,
  conclude,
  emit,
  onStopped,
  openTurn,
  step,
  stopTurn,
  withTurn,
} from './turn-steps.ts';
import {
  onLimitUnread,
  onMcpServers,
  onPolled,
  onStall,
  onStartLimit,
  onWatchdogTimer,
  startWatch,
  touch,
} from './watchdog.ts';

const IDLE: SessionStatus = { type: 'idle' };

/**
 * Everything that a task's session does, as a pure function: an input (event, command, timer, snapshot, result of an
 * effect) gives the next state and the effects to run, in their order. The I/O around it is `session-driver.ts`.
 *
 * A turn:
 *
 *     (none) → begun       `begin turn`
 *     begun → sending      `send prompt`, once the stream is open
 *     sending → accepted   `prompt sent`; the watchdog starts (`watchdog.ts`)
 *     accepted → sending   `startMs` passed, and OpenCode has no record of the prompt
 *     begun, sending, accepted → ended
 *         by outcome       an idle event after the last message is complete; a reconciliation; a send that failed;
 *                          `close`
 *         by interruption, stop   the command; concluded when OpenCode has stopped
 *         by limit         `startMs` or `stallMs` passed in vain; concluded when OpenCode has stopped
 *     ended → (none)       `end turn`
 *
 * How a turn ends is decided once: what comes later changes neither that nor the outcome.
 *
 * Events: `live` (handled at once) or `held`, while a read or a reconciliation runs (`reconcile.ts`). Records are
 * older than the events that come while they are read, so what they add comes first in the task's log. Then the held
 * events are replayed in their order.
 */
export function reduce(state: SessionState, input: Input, at: Moment): Step {
  const next = transition(state, input, at);
  if (isHolding(next.state) || next.state.held.length === 0) return next;
  const replays = next.state.held.map((event): Effect => ({ type: 'replay', event }));
  return { state: { ...next.state, held: [] }, effects: [...next.effects, ...replays] };
}

function isHolding({ reads, reconciliation }: SessionState): boolean {
  return reads > 0 || reconciliation !== undefined;
}

function transition(state: SessionState, input: Input, at: Moment): Step {
  switch (input.type) {
    case 'event':
      if (isHolding(state)) return step({ ...state, held: [...state.held, input.event] });
      return onEvent(state, input.event, at);
    case 'activity':
      return touch(state, at.now, at.now);
    case 'stream lost':
      return onStreamLost(state, input.why);
    case 'stream gap':
      return andThen(touch(state, at.now, at.now), reconcile);
    case 'begin turn':
      return onBegin(state, input.turn, input.promptId);
    case 'send prompt':
      return onSend(state, input);
    case 'interrupt':
      return state.turn && (!state.turn.ending || state.turn.stopping)
        ? stopTurn(state, 'interruption')
        : step(state);
    case 'stop':
      return state.turn ? stopTurn(state, 'stop') : step(state, { type: 'stop sessions', turn: undefined });
    case 'close':
      return onClose(state);
    case 'answer':
      return withRequests(state, state.projection.requests.onAnswer(input.requestId, input.answer));
    case 'end turn':
      if (state.turn?.id !== input.turn) return step(state);
      return step({ ...state, turn: undefined }, { type: 'disarm', timer: 'watchdog' });
    case 'timer':
      return input.timer === 'watchdog'
        ? onWatchdogTimer(state, at.now, at.connected)
        : onReconciliationTimer(state);
    case 'read begins':
      return step({ ...state, reads: state.reads + 1 });
    case 'read ends':
      return step({ ...state, reads: state.reads - 1 });
    case 'records':
      return onRecords(state, input, at);
    case 'prompt sent':
      return onSent(state, input, at.now);
    case 'prompt not sent':
      return onNotSent(state, input);
    case 'stream awaited':
      return onStreamAwaited(state);
    case 'read done':
      return onRead(state, input.purpose, input.turn, at.now);
    case 'read failed':
      if (input.purpose === 'reconcile') return onReconciliationFailed(state, input.error);
      if (input.purpose === 'after stop') return afterStop(state, input.turn, false);
      return onLimitUnread(state, input.turn, at.now);
    case 'polled':
      return onPolled(state, input.turn, input.missed, at.now);
    case 'MCP servers':
      return onMcpServers(state, input.turn, input.names, at.now);
    case 'explained':
      return onExplained(state, input.outcome);
    case 'stopped':
      return onStopped(state, input.turn, input.ok);
    case 'deleted session aborted':
      return reconcile(state);
    case 'dismiss requests':
      return withRequests(state, state.projection.requests.onDismiss());
    case 'requests dismissed':
      return withRequests(state, state.projection.requests.onDismissed(input.ids));
  }
}

function onStreamLost(state: SessionState, why: string): Step {
  if (!openTurn(state)) return step(state);
  const message = `The connection to OpenCode is lost (${why}); the task goes on when it is back.`;
  return step(state, ...emit([{ kind: 'warning', code: 'ENGINE_UNREACHABLE', message }]));
}

function onBegin(state: SessionState, id: number, promptId: string): Step {
  const turn = {
    id,
    evidence: TurnState.of(promptId),
    verdict: 'unsure' as const,
    sending: false,
    accepted: false,
    watch: undefined,
    waitsForModel: false,
    ending: undefined,
    stopping: false,
  };
  return step({ ...state, turn, projection: state.projection.betweenTurns() });
}

function onSend(state: SessionState, input: Extract<Input, { type: 'send prompt' }>): Step {
  return openTurn(state) ? step(withTurn(state, { sending: true }), input) : step(state);
}

/** The watchdog of a prompt that was on record goes by when an earlier process sent it, where that is known. */
function onSent(
  state: SessionState,
  { turn: id, known, sentAt }: Extract<Input, { type: 'prompt sent' }>,
  now: number,
): Step {
  if (state.turn?.id !== id) return step(state);
  const accepted = withTurn(state, { sending: false, accepted: true });
  if (!openTurn(accepted, id) || state.closed) return step(accepted);
  const watched = startWatch(accepted, known ? (sentAt ?? now) : now, now);
  return known ? andThen(watched, reconcile) : watched;
}

function onNotSent(
  state: SessionState,
  { turn: id, outcome }: Extract<Input, { type: 'prompt not sent' }>,
): Step {
  if (state.turn?.id !== id) return step(state);
  const next = withTurn(state, { sending: false });
  return outcome ? conclude(next, outcome) : step(next);
}

function onRecords(
  state: SessionState,
  { scope, turn: id, records }: Extract<Input, { type: 'records' }>,
  at: Moment,
): Step {
  const { next, events, background } = state.projection.onRecords(records, at.approvals, at.now);
  if (scope === 'task') {
    const [projection, rest] = next.onCaughtUp();
    return step({ ...state, projection }, ...emit([...events, ...rest]));
  }
  const projected = { ...state, projection: next };
  const { turn } = state;
  return step(turn?.id === id ? withRecords(projected, records, background) : projected, ...emit(events));
}

function withRecords(
  state: SessionState,
  { messages, statuses }: Records,
  background: 'none' | 'running' | 'lost',
): SessionState {
  if (!state.turn) return state;
  const read = { messages, status: statuses.get(state.sessionId) ?? IDLE, background };
  const evidence = state.turn.evidence.onRecords(read);
  return withTurn(state, { evidence, verdict: evidence.verdictBy(read) });
}

function onRead(state: SessionState, purpose: ReadPurpose, turn: number, now: number): Step {
  switch (purpose) {
    case 'reconcile':
      return onReconciliationRead(state);
    case 'start limit':
      return onStartLimit(state, turn, now);
    case 'stall':
      return onStall(state, turn, now);
    case 'after stop':
      return afterStop(state, turn, true);
  }
}

function onClose(state: SessionState): Step {
  const closed = { ...state, closed: true };
  return state.turn ? conclude(closed, state.turn.evidence.interrupted()) : step(closed);
}

function withRequests(state: SessionState, requests: Projection['requests']): Step {
  return step({ ...state, projection: state.projection.withRequests(requests) });
}
