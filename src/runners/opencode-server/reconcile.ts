import type { BridgeError, ErrorCode } from '../../errors.ts';
import { failed } from '../opencode-protocol/translate.ts';
import type { TurnOutcome } from '../runner.ts';
import type { Effect, Reconciliation, SessionState, Step } from './session-state.ts';
import { andThen, conclude, openTurn, step } from './turn-steps.ts';

const REREAD_MS = 1_000;
/** How long a prompt may take to begin after an error that may belong to the turn before it. */
const DOUBT_MS = 1_000;
/** Errors that the next read would meet again: the session is gone, the password has changed. */
const LASTING: ReadonlySet<ErrorCode> = new Set(['ENGINE_NOT_FOUND', 'ENGINE_UNAUTHORIZED']);

/**
 * Has OpenCode's records decide on the turn, because events alone do not, or may have been missed. One
 * reconciliation runs at a time; events are held until it is done, because the records are older than those.
 *
 *     (none) → connecting        reconcile()
 *     connecting → reading       the stream is open, or took too long: then the records are tried without it
 *     reading → (none)           the turn still runs, or has completed: concluded
 *     reading → confirming       a failure counts when it is read twice: status and messages are not of one moment
 *     reading → doubting         the same, of a turn that has not started: it may begin yet
 *     doubting → confirming      after DOUBT_MS
 *     confirming → (none)        concluded with what the second read says
 *     confirming → explaining    an unknown error: perhaps OpenCode does not know the agent
 *     explaining → (none)        concluded
 *     reading, confirming → backing off   the records could not be read; → connecting after REREAD_MS
 *     reading, confirming → (none)        they cannot be read at all: the turn fails
 *
 * `again` repeats it from `connecting`, for the turn that is open then; without an open turn it ends.
 */
export function reconcile(state: SessionState): Step {
  if (state.reconciliation) return go(state, { again: true });
  return connect(state);
}

/** The stream is open, or the time to wait for it is over. */
export function onStreamAwaited(state: SessionState): Step {
  return state.reconciliation?.step === 'connecting' ? read(state, 'reading') : step(state);
}

export function onReconciliationTimer(state: SessionState): Step {
  if (state.reconciliation?.step === 'doubting') return read(state, 'confirming');
  return state.reconciliation?.step === 'backing off' ? connect(state) : step(state);
}

export function onReconciliationRead(state: SessionState): Step {
  const { reconciliation } = state;
  const turn = openTurn(state, reconciliation?.turn);
  if (!reconciliation || !turn) return finish(state);
  const { verdict, evidence } = turn;
  if (typeof verdict !== 'object') return finish(state);
  if (reconciliation.step !== 'reading') return decide(state, verdict);
  if (verdict.kind !== 'failed') return decide(state, verdict);
  if (evidence.started) return read(state, 'confirming');
  return go(state, { step: 'doubting' }, { type: 'arm', timer: 'reconciliation', ms: DOUBT_MS });
}

export function onReconciliationFailed(state: SessionState, error: BridgeError): Step {
  if (!state.reconciliation) return step(state);
  const turn = openTurn(state, state.reconciliation.turn);
  if (turn && LASTING.has(error.code)) {
    return andThen(conclude(state, failed(error)), (next) => step({ ...next, reconciliation: undefined }));
  }
  const wait: Effect = { type: 'arm', timer: 'reconciliation', ms: REREAD_MS };
  return go(state, { step: 'backing off' }, { type: 'warn', error }, wait);
}

export function onExplained(state: SessionState, outcome: TurnOutcome): Step {
  if (state.reconciliation?.step !== 'explaining') return step(state);
  return openTurn(state, state.reconciliation.turn)
    ? andThen(conclude(state, outcome), finish)
    : finish(state);
}

function decide(state: SessionState, outcome: TurnOutcome): Step {
  // OpenCode says no more than "UnknownError" of an agent that it does not know.
  if (outcome.kind === 'failed' && outcome.error.code === 'ENGINE_ERROR')
    return go(state, { step: 'explaining' }, { type: 'explain', outcome });
  return andThen(conclude(state, outcome), finish);
}

function connect(state: SessionState): Step {
  const turn = openTurn(state);
  if (!turn || state.closed) return step({ ...state, reconciliation: undefined });
  const reconciliation: Reconciliation = { turn: turn.id, step: 'connecting', again: false };
  return step({ ...state, reconciliation }, { type: 'await stream' });
}

function read(state: SessionState, next: 'reading' | 'confirming'): Step {
  const turn = openTurn(state, state.reconciliation?.turn);
  if (!turn) return finish(state);
  return go(state, { step: next }, { type: 'read', turn: turn.id, purpose: 'reconcile' });
}

function finish(state: SessionState): Step {
  if (state.reconciliation?.again) return connect(state);
  return step({ ...state, reconciliation: undefined });
}

function go(state: SessionState, change: Partial<Reconciliation>, ...effects: Effect[]): Step {
  const { reconciliation } = state;
  if (!reconciliation) return step(state);
  return step({ ...state, reconciliation: { ...reconciliation, ...change } }, ...effects);
}
