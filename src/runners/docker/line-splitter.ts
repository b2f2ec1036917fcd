const NEWLINE = 0x0a;
/** A buffer that has grown beyond this many bytes is released once its line has ended. */
const RETAINED_BUFFER = 65_536;

/** The lines that a chunk completed, and how many lines exceeded the limit in it. */
export interface SplitResult {
  lines: string[];
  dropped: number;
}

/** Splits a stream of bytes into lines, in chunks of any size. Buffers no more of a line than the limit, in bytes. */
export class LineSplitter {
  readonly #limit: number;
  /** Larger than needed: only the first `#length` bytes are the incomplete line. */
  #buffer = Buffer.alloc(0);
  #length = 0;
  /** Whether the present line has exceeded the limit: the rest of it is discarded. */
  #discarding = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A line counts as dropped as soon as it exceeds the limit, whether or not it ever ends. */
  read(chunk: Buffer): SplitResult {
    const result: SplitResult = { lines: [], dropped: 0 };
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      this.#append(chunk.subarray(from, end), result);
      if (this.#discarding) this.#reset();
      else result.lines.push(this.flush());
      from = end + 1;
    }
    this.#append(chunk.subarray(from), result);
    return result;
  }

  /** Takes what follows the last newline; empty where that has exceeded the limit. */
  flush(): string {
    const text = this.#buffer.toString('utf8', 0, this.#length);
    this.#reset();
    return text;
  }

  #append(bytes: Buffer, result: SplitResult): void {
    if (this.#discarding) return;
    const length = this.#length + bytes.length;
    if (length > this.#limit) {
      this.#reset();
      this.#discarding = true;
      result.dropped += 1;
      return;
    }
    if (length > this.#buffer.length) this.#grow(length);
    bytes.copy(this.#buffer, this.#length);
    this.#length = length;
  }

  /** Doubles the buffer, so that a line of many small chunks takes linear time. */
  #grow(length: number): void {
    const larger = Buffer.allocUnsafe(Math.min(2 * length, this.#limit));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  #reset(): void {
    if (this.#buffer.length > RETAINED_BUFFER) this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    this.#discarding = false;
  }
}
