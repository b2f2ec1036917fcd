import { once } from 'node:events';
import type { Response } from 'express';
import type { StreamLimit } from './stream-limit.ts';

/** A silent connection is cut by proxies and seems dead to clients. */
const KEEP_ALIVE_MS = 15_000;
/** How long a client may take nothing. */
const STALL_MS = 30_000;
/** An event goes out at once, those that follow within this time of it go out together: a busy stream costs less. */
const JOIN_MS = 4;
/** Characters that are held back for that at most. */
const MAX_HELD = 65_536;

export interface ServerSentEvent {
  /** What a client sends back as Last-Event-ID to go on after this event. */
  id: string;
  /** Without line breaks, as JSON has none. */
  json: string;
}

export interface StreamLimits {
  keepAliveMs: number;
  stallMs: number;
}

/**
 * A stream of server-sent events (HTML standard, section 9.2). Its memory is bounded: a client that does not
 * read is waited for, and disconnected when it takes nothing for 30 s.
 */
export class ServerSentEvents {
  readonly #res: Response;
  readonly #limits: StreamLimits;
  readonly #keepAlive: NodeJS.Timeout;
  /** Events that go out together a moment later. */
  #held = '';
  #flushing: NodeJS.Timeout | undefined;
  #flushedAt = Number.NEGATIVE_INFINITY;

  /** Throws RATE_LIMITED, before anything is sent, where too many streams are open. */
  constructor(
    res: Response,
    streams: StreamLimit,
    limits: StreamLimits = { keepAliveMs: KEEP_ALIVE_MS, stallMs: STALL_MS },
  ) {
    streams.add(res);
    this.#res = res;
    this.#limits = limits;
    res.status(200).set({
      'Content-Type': 'text/event-stream; charset=utf-8',
      // A proxy that compresses or collects would hold events back.
      'Cache-Control': 'no-store, no-transform',
      'X-Accel-Buffering': 'no',
    });
    res.flushHeaders();
    this.#keepAlive = setInterval(() => this.#comment(), limits.keepAliveMs);
    res.once('close', () => clearInterval(this.#keepAlive));
  }

  /** Whether the client takes more now; if not, wait for `drained`. */
  send({ id, json }: ServerSentEvent): boolean {
    if (this.#res.closed) return true;
    this.#held += `id: ${id}\ndata: ${json}\n\n`;
    const wait = this.#flushedAt + JOIN_MS - performance.now();
    if (wait <= 0 || this.#held.length > MAX_HELD) this.#flush();
    else this.#flushing ??= setTimeout(this.#flush, wait);
    return !this.#res.writableNeedDrain;
  }

  end(): void {
    this.#flush();
    this.#res.end();
  }

  /** Resolves when the client takes more, or is gone. */
  async drained(): Promise<void> {
    if (!this.#res.writableNeedDrain || this.#res.closed) return;
    const waiting = new AbortController();
    const { signal } = waiting;
    const stalled = setTimeout(() => this.#res.destroy(), this.#limits.stallMs);
    const either = ['drain', 'close'].map((event) => once(this.#res, event, { signal }));
    try {
      await Promise.race(either);
    } finally {
      clearTimeout(stalled);
      waiting.abort();
      await Promise.allSettled(either);
    }
  }

  readonly #flush = (): void => {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    this.#flushedAt = performance.now();
    if (this.#held === '' || this.#res.closed) return;
    this.#keepAlive.refresh();
    this.#res.write(this.#held);
    this.#held = '';
  };

  /** Not while the connection is full: the comments would pile up. */
  #comment(): void {
    if (!this.#res.writableNeedDrain) this.#res.write(':\n\n');
  }
}
