import { NO_USAGE, type TaskEvent, type TaskEventBody, tokensOf, type Usage } from '../../tasks/events.ts';
import { type Spending, sumUsage } from '../opencode-protocol/translate.ts';

/** Sums the usage of the steps of a run, each step once, on top of what the task used before the run. */
export class UsageCounter {
  readonly #before: Usage;
  /** Ids of the steps that are part of `#usage`. */
  readonly #steps = new Set<string>();
  #usage: Usage;
  /** The last usage that the task's log has. */
  #emitted: Usage;

  constructor(before: Usage, past: readonly TaskEvent[]) {
    this.#before = before;
    this.#usage = before;
    this.#emitted = lastUsage(past);
  }

  get usage(): Usage {
    return this.#usage;
  }

  /** Begins again: the output is read from its beginning. */
  restart(): void {
    this.#steps.clear();
    this.#usage = this.#before;
  }

  /** Counts a step; returns a usage event where the usage is now higher than the log says. */
  add(step: Spending & { id: string }): TaskEventBody[] {
    if (!this.#steps.has(step.id)) {
      this.#steps.add(step.id);
      this.#usage = sumUsage([step], this.#usage);
    }
    const usage = this.#usage;
    if (tokensOf(usage) <= tokensOf(this.#emitted)) return [];
    this.#emitted = usage;
    return [{ kind: 'usage', usage }];
  }
}

/** The usage of a task at the end of its log. */
export function lastUsage(past: readonly TaskEvent[]): Usage {
  return past.findLast((event) => event.kind === 'usage')?.usage ?? NO_USAGE;
}

/** The usage of a task when a prompt was recorded. */
export function usageBefore(past: readonly TaskEvent[], promptId: string): Usage {
  const at = past.findIndex((event) => 'prompt_id' in event && event.prompt_id === promptId);
  return lastUsage(past.slice(0, Math.max(0, at)));
}
