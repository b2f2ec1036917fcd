/** So many directories are remembered. */
const LIMIT = 1_000;

/** The directories in which the bridge has aborted a session since they were last disposed of. */
export class RecentAborts {
  /** The latest last. */
  readonly #directories = new Set<string>();

  add(directory: string): void {
    this.#directories.delete(directory);
    this.#directories.add(directory);
    for (const oldest of this.#directories) {
      if (this.#directories.size > LIMIT) this.#directories.delete(oldest);
    }
  }

  has(directory: string): boolean {
    return this.#directories.has(directory);
  }

  delete(directory: string): void {
    this.#directories.delete(directory);
  }
}
