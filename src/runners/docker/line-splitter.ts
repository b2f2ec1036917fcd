const NEWLINE = 0x0a;
/** A buffer that has grown beyond this is given back once its line has ended. */
const KEPT = 65_536;

/** The lines that some bytes complete, and how many lines became too long with them. */
export interface SplitResult {
  lines: string[];
  dropped: number;
}

/** Cuts bytes into lines, wherever they come apart. Holds no more of a line than the limit, in bytes. */
export class LineSplitter {
  readonly #limit: number;
  #open = Buffer.alloc(0);
  #length = 0;
  /** Whether the open line is too long. */
  #skips = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A line counts as dropped as soon as it is too long, be it without an end. */
  read(chunk: Buffer): SplitResult {
    const cut: SplitResult = { lines: [], dropped: 0 };
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      this.#hold(chunk.subarray(from, end), cut);
      if (this.#skips) this.#clear();
      else cut.lines.push(this.flush());
      from = end + 1;
    }
    this.#hold(chunk.subarray(from), cut);
    return cut;
  }

  /** Takes what stands behind the last newline; empty where that is too long. */
  flush(): string {
    const text = this.#open.toString('utf8', 0, this.#length);
    this.#clear();
    return text;
  }

  #hold(bytes: Buffer, cut: SplitResult): void {
    if (this.#skips) return;
    const length = this.#length + bytes.length;
    if (length > this.#limit) {
      this.#clear();
      this.#skips = true;
      cut.dropped += 1;
      return;
    }
    if (length > this.#open.length) this.#grow(length);
    bytes.copy(this.#open, this.#length);
    this.#length = length;
  }

  /** To twice of what is needed: parts of a line come in any number. */
  #grow(length: number): void {
    const larger = Buffer.allocUnsafe(Math.min(2 * length, this.#limit));
    this.#open.copy(larger, 0, 0, this.#length);
    this.#open = larger;
  }

  #clear(): void {
    if (this.#open.length > KEPT) this.#open = Buffer.alloc(0);
    this.#length = 0;
    this.#skips = false;
  }
}
