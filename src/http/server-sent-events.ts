import { once } from 'node:events';
import type { Response } from 'express';
import type { StreamLimit } from './stream-limit.ts';

/** A silent connection is cut by proxies and seems dead to clients. */
const KEEP_ALIVE_MS = 15_000;
/** How long a client may take nothing. */
const STALL_MS = 30_000;

export interface ServerSentEvent {
  /** What a client sends back as Last-Event-ID to go on after this event; absent: it keeps the last one. */
  id?: string;
  /** The name that `addEventListener` takes; absent: `message`. */
  event?: string;
  data: unknown;
}

export interface StreamLimits {
  keepAliveMs: number;
  stallMs: number;
}

/**
 * A stream of server-sent events (HTML standard, section 9.2). Its memory is bounded: `send` resolves when the
 * connection takes more, and a client that takes nothing for 30 s is disconnected.
 */
export class ServerSentEvents {
  readonly #res: Response;
  readonly #limits: StreamLimits;
  readonly #keepAlive: NodeJS.Timeout;

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

  /** Also resolves when the client is gone. */
  async send({ id, event, data }: ServerSentEvent): Promise<void> {
    const lines = [
      ...(id === undefined ? [] : [`id: ${id}`]),
      ...(event === undefined ? [] : [`event: ${event}`]),
      // JSON has no line breaks outside of strings, and escapes them in strings.
      `data: ${JSON.stringify(data)}`,
    ];
    if (this.#res.closed) return;
    this.#keepAlive.refresh();
    if (this.#res.write(`${lines.join('\n')}\n\n`)) return;
    await this.#drained();
  }

  end(): void {
    this.#res.end();
  }

  async #drained(): Promise<void> {
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

  /** Not while the connection is full: the comments would pile up. */
  #comment(): void {
    if (!this.#res.writableNeedDrain) this.#res.write(':\n\n');
  }
}
