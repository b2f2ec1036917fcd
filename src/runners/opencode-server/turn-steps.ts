import type { TaskEventBody } from '../../tasks/events.ts';
import type { TurnOutcome } from '../runner.ts';
import type { Effect, SessionState, Step, Turn } from './session-state.ts';

export function step(state: SessionState, ...effects: Effect[]): Step {
  return { state, effects };
}

export function emit(events: TaskEventBody[]): Effect[] {
  return events.length === 0 ? [] : [{ type: 'emit', events }];
}

/** Continues from a step, with the effects of both in order. */
export function andThen({ state, effects }: Step, next: (state: SessionState) => Step): Step {
  const following = next(state);
  return { state: following.state, effects: [...effects, ...following.effects] };
}

export function withTurn(state: SessionState, change: Partial<Turn>): SessionState {
  return state.turn ? { ...state, turn: { ...state.turn, ...change } } : state;
}

/** The turn with this id, where it still runs and nothing has decided how it ends. */
export function openTurn(state: SessionState, id = state.turn?.id): Turn | undefined {
  const { turn } = state;
  return turn && turn.id === id && !turn.ending ? turn : undefined;
}

/** Ends the turn with this outcome, if nothing has decided on it before. */
export function conclude(state: SessionState, outcome: TurnOutcome): Step {
  if (!openTurn(state)) return step(state);
  const decided = withTurn(state, { ending: { by: 'outcome' }, watch: undefined });
  return step(decided, { type: 'disarm', timer: 'watchdog' }, { type: 'conclude', outcome });
}

/** Aborts the sessions of a turn, which then ends as interrupted. */
export function stopTurn(state: SessionState, by: 'interruption' | 'stop'): Step {
  return stopWith(state, { by });
}

/** Aborts the sessions of a turn that leads to nothing; the outcome counts once OpenCode has stopped. */
export function giveUp(state: SessionState, outcome: TurnOutcome): Step {
  return stopWith(state, { by: 'limit', outcome });
}

function stopWith(state: SessionState, ending: NonNullable<Turn['ending']>): Step {
  const { turn } = state;
  if (!turn) return step(state);
  const next = withTurn(state, { ending: turn.ending ?? ending, stopping: true, watch: undefined });
  const disarm: Effect[] = turn.watch ? [{ type: 'disarm', timer: 'watchdog' }] : [];
  const stop: Effect[] = turn.stopping ? [] : [{ type: 'stop sessions', turn: turn.id }];
  return step(next, ...disarm, ...stop);
}

/** OpenCode has stopped, or will not (`ok` is false). */
export function onStopped(state: SessionState, id: number, ok: boolean): Step {
  const { turn } = state;
  if (turn?.id !== id) return step(state);
  const { ending, accepted, evidence } = turn;
  if (ending?.by === 'limit') return step(state, { type: 'conclude', outcome: ending.outcome });
  if (ending?.by === 'interruption' && ok && accepted)
    return step(state, { type: 'read', turn: id, purpose: 'after stop' });
  if (ending?.by === 'outcome') return step(state);
  return step(state, { type: 'conclude', outcome: evidence.interrupted() });
}

/** A turn that was complete before the interruption was not interrupted. */
export function afterStop(state: SessionState, id: number, isRead: boolean): Step {
  const { turn } = state;
  if (turn?.id !== id) return step(state);
  const { verdict, evidence } = turn;
  const isComplete = isRead && typeof verdict === 'object' && verdict.kind === 'completed';
  return step(state, { type: 'conclude', outcome: isComplete ? verdict : evidence.interrupted() });
}
