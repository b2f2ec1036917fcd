import { type Signal, signal } from '@preact/signals';
import { Problem } from '../../api/problem.ts';

/** idle → busy → idle; an action that is asked for while one runs is not done. */
export class Action {
  readonly busy: Signal<boolean> = signal(false);
  /** Why the last one failed. */
  readonly problem: Signal<Problem | undefined> = signal(undefined);
  /** What the bridge answered to the last one. */
  readonly effect: Signal<string> = signal('');

  /** What was said of the last one is history. */
  clear(): void {
    if (this.busy.peek()) return;
    this.problem.value = undefined;
    this.effect.value = '';
  }

  /** Does it; the result of `work` is what happened, in one sentence. Answers whether it was done. */
  async run(work: () => Promise<string>): Promise<boolean> {
    if (this.busy.peek()) return false;
    this.busy.value = true;
    this.problem.value = undefined;
    this.effect.value = '';
    try {
      this.effect.value = await work();
      return true;
    } catch (thrown) {
      if (!(thrown instanceof Problem)) throw thrown;
      this.problem.value = thrown;
      return false;
    } finally {
      this.busy.value = false;
    }
  }
}
