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
  now: () => number;
  /** Whether the model is at work. */
  started: () => boolean;
  /** Whether the silence has another reason than the model. */
  excused: () => boolean;
  /** Nothing was heard for a while. */
  onSilence: () => Promise<unknown>;
  /** A limit has passed; it counts anew once this has settled. */
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
    this.#since = options.now();
    this.#arm();
  }

  /** A sign of life, or the promise of one at a later time. */
  alive(at = this.#options.now()): void {
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
    const { limits, now } = this.#options;
    this.#armedFor = this.#limit;
    const left = this.#since + limits[this.#armedFor] - now();
    this.#timer = setTimeout(() => this.#look(), Math.max(1, Math.min(left, GLANCE_MS)));
  }

  get #limit(): keyof TurnLimits {
    return this.#options.started() ? 'stallMs' : 'startMs';
  }

  async #look(): Promise<void> {
    const { limits, now, excused, onLimit, onSilence } = this.#options;
    const silentMs = now() - this.#since;
    if (silentMs >= limits[this.#limit]) {
      if (!excused()) await onLimit(this.#limit).catch(() => undefined);
      this.alive();
    } else if (silentMs >= GLANCE_MS) await onSilence().catch(() => undefined);
    this.#arm();
  }
}
