/** Does something at most once in a time, and always after the last mark. */
export class Throttle {
  readonly #everyMs: number;
  readonly #act: () => void;
  #last = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(everyMs: number, act: () => void) {
    this.#everyMs = everyMs;
    this.#act = act;
  }

  mark(): void {
    if (this.#timer) return;
    const wait = this.#last + this.#everyMs - performance.now();
    if (wait <= 0) this.#run();
    else this.#timer = setTimeout(() => this.#run(), wait).unref();
  }

  /** Does at once what waits for its time. */
  flush(): void {
    if (this.#timer) this.#run();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #run(): void {
    this.close();
    this.#last = performance.now();
    this.#act();
  }
}
