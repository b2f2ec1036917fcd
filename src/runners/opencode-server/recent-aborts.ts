/** So many directories are remembered. */
const LIMIT = 1_000;

interface Moments {
  aborted: number;
  disposed: number;
}

/** In which of OpenCode's instances of directories the bridge has aborted a session. A disposal ends an instance. */
export class RecentAborts {
  /** The latest last. */
  readonly #directories = new Map<string, Moments>();
  #clock = 0;

  /** Stands for the instance that the directory has now. */
  instance(directory: string): number {
    return this.#of(directory).disposed;
  }

  onAbort(directory: string): void {
    this.#clock += 1;
    this.#set(directory, { ...this.#of(directory), aborted: this.#clock });
  }

  /** A disposal aborts what runs in the instance that it ends, and nothing in the next one. */
  onDisposed(directory: string): void {
    this.#clock += 1;
    this.#set(directory, { aborted: this.#clock, disposed: this.#clock });
  }

  /** Whether there was an abort in this instance of the directory, or in a later one. */
  has(directory: string, instance: number): boolean {
    return this.#of(directory).aborted > instance;
  }

  #of(directory: string): Moments {
    return this.#directories.get(directory) ?? { aborted: 0, disposed: 0 };
  }

  #set(directory: string, moments: Moments): void {
    this.#directories.delete(directory);
    this.#directories.set(directory, moments);
    for (const oldest of this.#directories.keys()) {
      if (this.#directories.size > LIMIT) this.#directories.delete(oldest);
    }
  }
}
