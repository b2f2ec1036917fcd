import { type Clock, SYSTEM_CLOCK } from '../../src/clock.ts';

/** A clock that stands still until a test advances it. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Set<{ at: number; wake: () => void }>();

  readonly now = (): number => this.#now;

  /** The number of pending timers. */
  get pending(): number {
    return this.#timers.size;
  }

  after(ms: number, wake: () => void): () => void {
    const timer = { at: this.#now + ms, wake };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Advances the time, timer by timer, and lets the work that each one starts settle. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.wake();
      await settled();
    }
    this.#now = end;
  }

  #next(end: number) {
    const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
    return due[0];
  }
}

/** A clock that runs `factor` times as fast. */
export function fastClock(factor: number): Clock {
  const start = Date.now();
  return {
    now: () => start + (Date.now() - start) * factor,
    after: (ms, wake) => SYSTEM_CLOCK.after(ms / factor, wake),
  };
}

/** Resolves when all work that needs no timer and no network has settled. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
}
