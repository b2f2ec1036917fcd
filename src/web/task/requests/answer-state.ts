import { type Signal, signal } from '@preact/signals';
import { Problem } from '../../api/problem.ts';

/**
 * Where an answer is. Only `open` takes one, so that two quick clicks are one answer.
 *
 *     open     send()     → sending
 *     sending  accepted   → sent     (the log then says that the request is closed)
 *     sending  refused    → open     (with the problem)
 */
export interface AnswerState {
  phase: 'open' | 'sending' | 'sent';
  problem?: Problem;
}

/** Sends the answer to one request. */
export class AnswerOnce {
  readonly state: Signal<AnswerState> = signal({ phase: 'open' });

  async send(deliver: () => Promise<unknown>): Promise<void> {
    if (this.state.peek().phase !== 'open') return;
    this.state.value = { phase: 'sending' };
    try {
      await deliver();
      this.state.value = { phase: 'sent' };
    } catch (thrown) {
      if (!(thrown instanceof Problem)) {
        this.state.value = { phase: 'open' };
        throw thrown;
      }
      this.state.value = { phase: 'open', problem: thrown };
    }
  }
}
