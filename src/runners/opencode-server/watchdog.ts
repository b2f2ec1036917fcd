import { reconcile } from './reconcile.ts';
import type { Effect, SessionState, Step, Turn, TurnLimits } from './session-state.ts';
import { slowStartWarning } from './slow-start.ts';
import { andThen, emit, giveUp, openTurn, step, withTurn } from './turn-steps.ts';

/** After so long a silence OpenCode is polled for missed events: it confirms a stream before it subscribes it. */
const POLL_MS = 5_000;

/**
 * Watches a turn from when OpenCode has accepted its prompt: that it starts (`startMs`), and that the model goes on
 * (`stallMs`). The timer is armed for what is left of the limit, at most POLL_MS.
 *
 *     timer, limit passed, silence excused    armed again, as if there were activity
 *     timer, `startMs` passed                 the records are read → onStartLimit
 *     timer, `stallMs` passed                 the records are read → onStall
 *     timer, silent for POLL_MS               OpenCode is polled → onPolled
 *     timer, else                             armed again
 */
export function startWatch(state: SessionState, acceptedAt: number, now: number): Step {
  return arm(withTurn(state, { watch: { since: acceptedAt, limit: 'startMs' } }), now);
}

/** Activity of the model, or the promise of it at a later time. */
export function touch(state: SessionState, at: number, now: number): Step {
  const { turn } = state;
  // Before the turn has started the model is not active: what comes then must not put off the limit.
  if (!turn?.watch || !turn.evidence.started) return step(state);
  const { since, limit } = turn.watch;
  const next = withTurn(state, { watch: { since: Math.max(since, at), limit } });
  // Otherwise the timer stays as it is, because activity is frequent.
  return limit === limitOf(turn) ? step(next) : arm(next, now);
}

export function onWatchdogTimer(state: SessionState, now: number, connected: boolean): Step {
  const { turn } = state;
  if (!turn?.watch) return step(state);
  // The turn has started meanwhile: from now on silence counts.
  if (turn.watch.limit !== limitOf(turn)) return touch(state, now, now);
  if (timeLeft(state.limits, turn, turn.watch.since, now) <= 0) {
    if (!connected || state.projection.waits) {
      return andThen(touch(state, now, now), (next) => arm(next, now));
    }
    const purpose = limitOf(turn) === 'startMs' ? 'start limit' : 'stall';
    return step(state, { type: 'read', turn: turn.id, purpose });
  }
  if (now - turn.watch.since < POLL_MS) return arm(state, now);
  // Without a stream too: one that opens and never says so would otherwise hide the end of the turn.
  return step(state, { type: 'poll', turn: turn.id });
}

/** `missed` is undefined where OpenCode could not be polled. */
export function onPolled(state: SessionState, id: number, missed: boolean | undefined, now: number): Step {
  if (!openTurn(state, id)) return step(state);
  if (missed) return andThen(reconcile(state), (next) => arm(next, now));
  return missed === false ? checkSlowStart(state, now) : arm(state, now);
}

/** The records say whether the turn has started without an event, or whether the prompt was lost on its way. */
export function onStartLimit(state: SessionState, id: number, now: number): Step {
  const turn = openTurn(state, id);
  if (!turn) return step(state);
  if (turn.evidence.started) return andThen(reconcile(state), (next) => arm(next, now));
  if (turn.evidence.stored) return giveUp(state, turn.evidence.neverStarted(state.limits.startMs));
  // A send that still runs will itself find out whether the prompt is on record.
  const send: Effect[] = turn.sending ? [] : [{ type: 'send prompt', perhapsSent: true, sentAt: undefined }];
  return andThen(step(withTurn(state, { sending: true }), ...send), (next) => arm(next, now));
}

export function onStall(state: SessionState, id: number, now: number): Step {
  const turn = openTurn(state, id);
  if (!turn) return step(state);
  if (state.projection.waits) return arm(state, now);
  if (turn.verdict === 'running') return giveUp(state, turn.evidence.stalled(state.limits.stallMs));
  return andThen(reconcile(state), (next) => arm(next, now));
}

/** The records could not be read when a limit had passed: the limit is checked again later. */
export function onLimitUnread(state: SessionState, id: number, now: number): Step {
  return openTurn(state, id) ? arm(state, now) : step(state);
}

export function onMcpServers(state: SessionState, id: number, names: readonly string[], now: number): Step {
  const turn = openTurn(state, id);
  if (!turn) return step(state);
  const warnings =
    turn.evidence.reached || names.length === 0 ? [] : [slowStartWarning(names, state.limits.stallMs)];
  return andThen(step(state, ...emit(warnings)), (next) => arm(next, now));
}

/** The second poll that finds the model not asked yet warns of it, once in a run. */
function checkSlowStart(state: SessionState, now: number): Step {
  const { turn, slowStartReported } = state;
  if (!turn || slowStartReported || !turn.evidence.started || turn.evidence.reached) return arm(state, now);
  if (!turn.waitsForModel) return arm(withTurn(state, { waitsForModel: true }), now);
  return step({ ...state, slowStartReported: true }, { type: 'list MCP servers', turn: turn.id });
}

function arm(state: SessionState, now: number): Step {
  const { turn, limits } = state;
  if (!turn?.watch) return step(state);
  const { since } = turn.watch;
  const left = timeLeft(limits, turn, since, now);
  const ms = left > 0 ? Math.min(left, POLL_MS) : POLL_MS;
  const next = withTurn(state, { watch: { since, limit: limitOf(turn) } });
  return step(next, { type: 'arm', timer: 'watchdog', ms });
}

function limitOf({ evidence }: Turn): keyof TurnLimits {
  return evidence.started ? 'stallMs' : 'startMs';
}

function timeLeft(limits: TurnLimits, turn: Turn, since: number, now: number): number {
  return since + limits[limitOf(turn)] - now;
}
