import { type Task, usedMs } from '../tasks/task.ts';

/** The time limit of one task; it counts from the start of the task, without pauses. */
export class TimeLimit {
  readonly #onReached: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(onReached: () => void) {
    this.#onReached = onReached;
  }

  arm(task: Task, now: number): void {
    const remaining = task.limits.timeoutMs - usedMs(task, now);
    this.#timer = setTimeout(this.#onReached, Math.max(0, remaining));
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
