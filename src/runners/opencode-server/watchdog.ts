/** After so long a silence it is looked whether something was missed; OpenCode greets before it hears itself. */
const GLANCE_MS = 5_000;

export interface TurnLimits {
  /** Milliseconds in which OpenCode has to start on a prompt that it has taken. */
  startMs: number;
  /** Milliseconds without a sign of life of the model. */
  stallMs: number;
}

export interface WatchdogOptions {
  limits: TurnLimits;
  /** When OpenCode took the prompt, in epoch milliseconds. */
  acceptedAt: number;
  now: () => number;
  /** Whether the model is at work. */
  started: () => boolean;
  /** Whether the silence has another reason than the model. */
  excused: () => boolean;
  /** Nothing was heard for a while. */
  onSilence: () => Promise<unknown>;
  /** A limit has passed; it is told again as long as that is so. */
  onLimit: (limit: keyof TurnLimits) => Promise<unknown>;
}

/** Watches a turn from when OpenCode has taken its prompt: that it starts, and that the model goes on. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  #timer: NodeJS.Timeout | undefined;
  /** Epoch milliseconds. */
  #since: number;
  #armedFor: keyof TurnLimits | undefined;
  #stopped = false;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#since = options.acceptedAt;
    this.#arm();
  }

  /** A sign of life of the model, or the promise of one at a later time. */
  touch(at = this.#options.now()): void {
    // Before it has started there is none: what comes then must not put off the limit.
    if (!this.#options.started()) return;
    this.#since = Math.max(this.#since, at);
    // Otherwise the timer stays as it is, because signs of life are many.
    if (this.#armedFor !== this.#limit) this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#armedFor = this.#limit;
    const left = this.#left;
    this.#timer = setTimeout(() => this.#look(), left > 0 ? Math.min(left, GLANCE_MS) : GLANCE_MS);
  }

  get #limit(): keyof TurnLimits {
    return this.#options.started() ? 'stallMs' : 'startMs';
  }

  get #left(): number {
    const { limits, now } = this.#options;
    return this.#since + limits[this.#limit] - now();
  }

  async #look(): Promise<void> {
    const { now, excused, onLimit, onSilence } = this.#options;
    // It has started meanwhile, from when on its silence counts.
    if (this.#armedFor !== this.#limit) return this.touch();
    if (this.#left <= 0) {
      if (excused()) this.touch();
      else await onLimit(this.#limit).catch(() => undefined);
    } else if (now() - this.#since >= GLANCE_MS) await onSilence().catch(() => undefined);
    this.#arm();
  }
}
