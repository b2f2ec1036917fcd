import type { TurnOutcome } from '../runner.ts';
import type { PromptRequest } from './api.ts';
import { TurnState } from './turn-state.ts';

/** A turn from its prompt to its outcome. */
export class ActiveTurn {
  readonly request: PromptRequest;
  readonly state: TurnState;
  /** Settles when OpenCode has taken the prompt or will not; absent before it is sent. */
  sending: Promise<void> | undefined;
  /** Whether OpenCode has the prompt, and so will start on it. */
  accepted = false;
  /** Settles when OpenCode is idle; there once the turn is being stopped. */
  stopping: Promise<void> | undefined;
  readonly #over = Promise.withResolvers<TurnOutcome>();
  #settled = false;

  constructor(request: PromptRequest) {
    this.request = request;
    this.state = new TurnState(request.messageId);
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

  interrupted(): TurnOutcome {
    return { kind: 'interrupted', summary: this.state.summary };
  }
}
