/** Time, as far as a delivery needs it. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Calls back after so many milliseconds, unless what it returns is called before. */
  after(ms: number, wake: () => void): () => void;
}

/** Node's timers hold no longer ones; who waits longer looks at the time again then. */
const LONGEST_MS = 2_147_483_647;

export const SYSTEM_CLOCK: Clock = {
  now: Date.now,
  after(ms, wake) {
    const timer = setTimeout(wake, Math.min(ms, LONGEST_MS));
    return () => clearTimeout(timer);
  },
};
