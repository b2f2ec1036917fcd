import type { DependencyHealth } from '../health.ts';

const EVERY_MS = 5_000;

/** Remembers when each dependency was last seen to be `ok`, within five seconds. */
export class LastSuccess {
  readonly #read: () => DependencyHealth[];
  readonly #now: () => number;
  readonly #seenAt = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(read: () => DependencyHealth[], now: () => number = Date.now) {
    this.#read = read;
    this.#now = now;
    this.#timer = setInterval(() => this.read(), EVERY_MS).unref();
  }

  /** The dependencies, each with the time at which it was last well; without one if it never was. */
  read(): DependencyHealth[] {
    const now = this.#now();
    return this.#read().map((dependency) => {
      const { name, status } = dependency;
      if (status === 'ok') this.#seenAt.set(name, now);
      const at = this.#seenAt.get(name);
      return at === undefined ? dependency : { ...dependency, last_ok_at: new Date(at).toISOString() };
    });
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
