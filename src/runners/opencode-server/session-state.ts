import type { BridgeError } from '../../errors.ts';
import type { TaskEvent, TaskEventBody } from '../../tasks/events.ts';
import type { OpenCodeEvent } from '../opencode-protocol/wire.ts';
import type { RunnerAnswer, TurnOutcome } from '../runner.ts';
import type { Approval } from './approvals.ts';
import { Projection, type ProjectionOptions } from './projection.ts';
import type { Records } from './records.ts';
import type { TurnState, Verdict } from './turn-state.ts';

export interface TurnLimits {
  /** Milliseconds in which OpenCode has to start on a prompt that it has accepted. */
  startMs: number;
  /** Milliseconds without activity of the model. */
  stallMs: number;
}

/** How a turn ends, once that is decided. The first decision stays. */
type TurnTermination =
  /** The outcome is known. */
  | { by: 'outcome' }
  /** The turn ends as interrupted when OpenCode has stopped; after an interruption the records may say `completed`. */
  | { by: 'interruption' | 'stop' }
  /** The watchdog gave up: the outcome stands, and counts when OpenCode has stopped. */
  | { by: 'limit'; outcome: TurnOutcome };

/** The watchdog's clock. */
interface Watch {
  /** The last activity, in epoch milliseconds; at first when OpenCode accepted the prompt. */
  since: number;
  /** The limit that the timer is armed for. */
  limit: keyof TurnLimits;
}

export interface Turn {
  id: number;
  evidence: TurnState;
  /** By the records, when they were read last. */
  verdict: Verdict;
  /** Whether the prompt is on its way: OpenCode may accept it yet. */
  sending: boolean;
  /** Whether OpenCode has the prompt, and so will start on it. */
  accepted: boolean;
  /** There from acceptance on, until it is decided how the turn ends. */
  watch: Watch | undefined;
  /** Whether a first poll found that the model had not been asked yet. */
  waitsForModel: boolean;
  ending: TurnTermination | undefined;
  /** Whether the sessions are being aborted for this turn, or have been. */
  stopping: boolean;
}

/** The steps by which the records decide on a turn; see `reconcile.ts`. */
export interface Reconciliation {
  turn: number;
  step: 'connecting' | 'reading' | 'doubting' | 'confirming' | 'explaining' | 'backing off';
  /** Whether something came up meanwhile for which the records have to be read again. */
  again: boolean;
}

export interface SessionState {
  sessionId: string;
  limits: TurnLimits;
  projection: Projection;
  /** Reads of the records under way. */
  reads: number;
  reconciliation: Reconciliation | undefined;
  /** Events that came during a read or a reconciliation. */
  held: readonly OpenCodeEvent[];
  turn: Turn | undefined;
  /** Whether the task has been warned of a slow start. */
  slowStartReported: boolean;
  closed: boolean;
}

/** What a read of a turn's records is for. */
export type ReadPurpose = 'reconcile' | 'start limit' | 'stall' | 'after stop';

export type Input =
  // Events of OpenCode.
  | { type: 'event'; event: OpenCodeEvent }
  | { type: 'activity' }
  | { type: 'stream lost'; why: string }
  | { type: 'stream gap' }
  // Commands.
  | { type: 'begin turn'; turn: number; promptId: string }
  | { type: 'send prompt'; perhapsSent: boolean; sentAt: number | undefined }
  | { type: 'interrupt' | 'stop' | 'close' | 'dismiss requests' }
  | { type: 'answer'; requestId: string; answer: RunnerAnswer }
  | { type: 'end turn'; turn: number }
  // Timers.
  | { type: 'timer'; timer: Timer }
  // Snapshots. `task`: read from its first prompt on, for what the log does not hold.
  | { type: 'read begins' | 'read ends' }
  | { type: 'records'; scope: 'task' | 'turn'; turn: number; records: Records }
  // Results of effects.
  | { type: 'prompt sent'; turn: number; known: boolean; sentAt: number | undefined }
  | { type: 'prompt not sent'; turn: number; outcome: TurnOutcome | undefined }
  | { type: 'stream awaited' }
  | { type: 'read done'; turn: number; purpose: ReadPurpose }
  | { type: 'read failed'; turn: number; purpose: ReadPurpose; error: BridgeError }
  | { type: 'polled'; turn: number; missed: boolean | undefined }
  | { type: 'MCP servers'; turn: number; names: readonly string[] }
  | { type: 'explained'; outcome: TurnOutcome }
  | { type: 'stopped'; turn: number; ok: boolean }
  | { type: 'deleted session aborted' }
  | { type: 'requests dismissed'; ids: readonly string[] };

export type Timer = 'watchdog' | 'reconciliation';

export type Effect =
  | { type: 'emit'; events: TaskEventBody[] }
  /** Handles an event that was held, as if it came now. */
  | { type: 'replay'; event: OpenCodeEvent }
  | { type: 'send prompt'; perhapsSent: boolean; sentAt: number | undefined }
  | { type: 'read'; turn: number; purpose: ReadPurpose }
  | { type: 'await stream' }
  | { type: 'arm'; timer: Timer; ms: number }
  | { type: 'disarm'; timer: Timer }
  /** Asks OpenCode for less than a read does: whether an event was missed. */
  | { type: 'poll'; turn: number }
  | { type: 'list MCP servers'; turn: number }
  /** Finds out what an unknown error means. */
  | { type: 'explain'; outcome: TurnOutcome }
  /** Aborts all sessions until OpenCode is idle. */
  | { type: 'stop sessions'; turn: number | undefined }
  | { type: 'abort deleted session' }
  | { type: 'conclude'; outcome: TurnOutcome }
  | { type: 'warn'; error: BridgeError };

/** What holds when an input arrives. */
export interface Moment {
  /** Epoch milliseconds. */
  now: number;
  /** Whether the event stream is open. */
  connected: boolean;
  /** What OpenCode allows in the directory without asking. */
  approvals: readonly Approval[];
}

export interface Step {
  state: SessionState;
  effects: Effect[];
}

/** The session of a task whose log holds `past`. */
export function initialState(
  options: ProjectionOptions & { limits: TurnLimits },
  past: readonly TaskEvent[],
): SessionState {
  return {
    sessionId: options.sessionId,
    limits: options.limits,
    projection: Projection.from(options, past),
    reads: 0,
    reconciliation: undefined,
    held: [],
    turn: undefined,
    slowStartReported: false,
    closed: false,
  };
}
