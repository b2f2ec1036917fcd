import { Refusal } from './refusal.ts';

interface Rate {
  perSecond: number;
  burst: number;
}

/** A rate limit for each key, counted like Synapse: a leaky bucket. */
export class RateLimit {
  readonly #now: () => number;
  readonly #rate: Rate | undefined;
  readonly #levels = new Map<string, { level: number; at: number }>();

  /** Without a rate there is no limit. */
  constructor(now: () => number, rate?: Rate) {
    this.#now = now;
    this.#rate = rate;
  }

  /** Counts one; throws where that exceeds the limit. */
  take(who: string): void {
    if (!this.#rate) return;
    const now = this.#now();
    const { perSecond, burst } = this.#rate;
    const before = this.#levels.get(who) ?? { level: 0, at: now };
    const level = Math.max(0, before.level - ((now - before.at) / 1000) * perSecond) + 1;
    if (level > burst) {
      const retry_after_ms = Math.ceil(((level - burst) / perSecond) * 1000);
      throw new Refusal(429, 'M_LIMIT_EXCEEDED', 'Too Many Requests', { retry_after_ms });
    }
    this.#levels.set(who, { level, at: now });
  }
}
