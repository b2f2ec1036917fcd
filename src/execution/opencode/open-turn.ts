import type { TurnOutcome } from '../runner.ts';
import type { PromptRequest } from './api.ts';
import { Turn } from './turn.ts';

/** Errors of a turn that was ended before its model was asked. */
const BROKEN_OFF: ReadonlySet<string> = new Set(['TURN_NEVER_STARTED', 'TURN_STALLED']);

/** A turn from its prompt to its outcome. */
export class OpenTurn {
  readonly request: PromptRequest;
  readonly state: Turn;
  /** Settles when OpenCode has taken the prompt or will not; absent before it is sent. */
  sending: Promise<void> | undefined;
  /** Whether OpenCode has the prompt, and so will start on it. */
  accepted = false;
  /** Settles when OpenCode is idle; there once the turn is being stopped. */
  stopping: Promise<void> | undefined;
  readonly #over = Promise.withResolvers<TurnOutcome>();
  #settled = false;

  constructor(request: PromptRequest, mayBeOurs: () => boolean) {
    this.request = request;
    this.state = new Turn(request.messageId, mayBeOurs);
  }

  get outcome(): Promise<TurnOutcome> {
    return this.#over.promise;
  }

  /** Whether it is decided how it comes out, even where that is still being found out. */
  get settled(): boolean {
    return this.#settled;
  }

  /** The first way in which it came out stays. */
  settle(outcome: TurnOutcome | Promise<TurnOutcome>): void {
    this.#settled = true;
    this.#over.resolve(outcome);
  }

  /**
   * Whether it was broken off while OpenCode was starting MCP servers for it. OpenCode 1.18.33 then keeps that failure
   * for its directory, and every later turn there breaks off at once.
   */
  hasSpoiltItsStart(outcome: TurnOutcome): boolean {
    if (!this.state.started || this.state.reached) return false;
    return (
      outcome.kind === 'interrupted' || (outcome.kind === 'failed' && BROKEN_OFF.has(outcome.error.code))
    );
  }

  interrupted(): TurnOutcome {
    return { kind: 'interrupted', summary: this.state.summary };
  }
}
