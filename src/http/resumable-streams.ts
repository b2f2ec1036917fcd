import type { Response } from 'express';
import type { StreamEvents, StreamPosition, StreamReader } from './stream-events.ts';

export interface ResumeLimits {
  /** Milliseconds that a call waits for its client after its line was cut, and that an answer is kept. */
  graceMs: number;
  /** Streams of one session that are kept without a line. */
  maxOfSession: number;
  /** Characters of all answers that are kept. */
  maxSize: number;
}

const DEFAULT_LIMITS: ResumeLimits = { graceMs: 30_000, maxOfSession: 16, maxSize: 16_000_000 };

interface Stream {
  readonly sessionId: string;
  readonly events: StreamEvents;
  /** The response that carries it now. */
  line?: Response | undefined;
  /** Ends its calls; absent once they are answered. */
  abandon?: (() => void) | undefined;
  /** Runs while it has no line. */
  timer?: NodeJS.Timeout | undefined;
}

/**
 * The streams that clients can resume, each by its session only.
 *
 *     on a line → waiting    its line is cut, or its last answer is sent
 *     waiting   → on a line  the client resumes it
 *     waiting   → (none)     after `graceMs`, or to make room: a call without an answer is abandoned
 */
export class ResumableStreams {
  readonly #limits: ResumeLimits;
  /** By key; those that wait are in the order in which their lines went. */
  readonly #streams = new Map<string, Stream>();
  /** By session: those that wait, in the same order. */
  readonly #waiting = new Map<string, Set<Stream>>();
  #size = 0;

  constructor(limits: ResumeLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /** How many are kept. */
  get size(): number {
    return this.#streams.size;
  }

  /** Keeps a stream from now on; `abandon` is called once nobody can resume it. */
  add(sessionId: string, events: StreamEvents, line: Response, abandon: () => void): void {
    const stream: Stream = { sessionId, events, line, abandon };
    this.#streams.set(events.key, stream);
    events.onSize = (change) => {
      this.#size += change;
    };
    line.once('close', () => this.#lineClosed(stream, line));
  }

  find(sessionId: string, { key }: StreamPosition): StreamEvents | undefined {
    const stream = this.#streams.get(key);
    return stream?.sessionId === sessionId ? stream.events : undefined;
  }

  /** Goes on with a stream on another line. */
  resume(position: StreamPosition, line: Response, reader: StreamReader): void {
    const stream = this.#streams.get(position.key);
    if (!stream) return;
    this.#stopWaiting(stream);
    const previous = stream.line;
    stream.line = line;
    // The bridge may learn last that a line is cut.
    previous?.destroy();
    line.once('close', () => this.#lineClosed(stream, line));
    stream.events.read(position, reader);
  }

  close(): void {
    for (const stream of [...this.#streams.values()]) this.#drop(stream);
  }

  #lineClosed(stream: Stream, line: Response): void {
    if (stream.line !== line) return;
    stream.line = undefined;
    if (stream.events.isEnded) this.#abandon(stream);
    if (stream.events.isResumable) this.#wait(stream);
    else this.#drop(stream);
  }

  #wait(stream: Stream): void {
    const { sessionId, events } = stream;
    const ofSession = this.#waiting.get(sessionId) ?? new Set();
    this.#waiting.set(sessionId, ofSession.add(stream));
    this.#streams.delete(events.key);
    this.#streams.set(events.key, stream);
    stream.timer = setTimeout(() => this.#drop(stream), this.#limits.graceMs).unref();
    const [oldest] = ofSession;
    if (oldest && ofSession.size > this.#limits.maxOfSession) this.#drop(oldest);
    if (this.#size > this.#limits.maxSize) this.#makeRoom();
  }

  /** Drops answers that have waited for longest; a call without an answer takes little room. */
  #makeRoom(): void {
    for (const stream of this.#streams.values()) {
      if (stream.timer && stream.events.isEnded) this.#drop(stream);
      if (this.#size <= this.#limits.maxSize) return;
    }
  }

  #stopWaiting(stream: Stream): void {
    clearTimeout(stream.timer);
    stream.timer = undefined;
    const ofSession = this.#waiting.get(stream.sessionId);
    ofSession?.delete(stream);
    if (ofSession?.size === 0) this.#waiting.delete(stream.sessionId);
  }

  #drop(stream: Stream): void {
    this.#stopWaiting(stream);
    if (!this.#streams.delete(stream.events.key)) return;
    this.#size -= stream.events.size;
    stream.events.onSize = () => undefined;
    this.#abandon(stream);
  }

  /** Then nothing holds the session any more. */
  #abandon(stream: Stream): void {
    stream.abandon?.();
    stream.abandon = undefined;
  }
}
