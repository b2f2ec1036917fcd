import { EventSource } from 'eventsource';
import type { Logger } from '../../logger.ts';
import { readFrame } from '../opencode-protocol/frame.ts';
import { type Delta, type OpenCodeEvent, sessionOf } from '../opencode-protocol/wire.ts';
import { boundedEvents, LONGEST_EVENT } from './bounded-events.ts';
import { authorization, type Endpoint } from './endpoint.ts';

/** OpenCode sends a heartbeat every 10 s; after three missed ones the stream is dead. */
const SILENCE_LIMIT_MS = 30_000;
/**
 * OpenCode confirms a new stream at once, unless the server is overloaded. It never does where it accepted the
 * connection before it listened. The limit doubles each time it is missed.
 */
const FIRST_CONNECT_LIMIT_MS = 2_000;
const LAST_CONNECT_LIMIT_MS = 16_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

/**
 * Receives the events of some sessions. `onDelta`: new text of a part that is being written. `onActivity`: anything
 * came that shows activity, also what is no event here. `onLost`: no event comes until the stream is open again. `onGap`: it is open again; events may have been
 * missed, so read the records.
 */
export interface SessionListener {
  onEvent(event: OpenCodeEvent): void;
  onDelta?(delta: Delta): void;
  onActivity?(): void;
  onLost?(why: string): void;
  onGap(): void;
}

/**
 * The one event stream of a server (`GET /global/event`), demultiplexed by session.
 * After a cut, an end, an error or silence it is opened again, without a limit. OpenCode replays nothing.
 */
export class EventStream {
  readonly #endpoint: Endpoint;
  readonly #logger: Logger;
  readonly #silenceLimitMs: number;
  readonly #listeners = new Map<string, Set<SessionListener>>();
  #source: EventSource | undefined;
  #silence: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #connecting: Promise<void> | undefined;
  #retryMs = FIRST_RETRY_MS;
  #connectLimitMs = FIRST_CONNECT_LIMIT_MS;
  #connected = Promise.withResolvers<void>();
  #open = false;
  #hasConnected = false;
  #closed = false;
  #lastError: string | undefined;

  constructor(endpoint: Endpoint, logger: Logger, silenceLimitMs = SILENCE_LIMIT_MS) {
    this.#endpoint = endpoint;
    this.#logger = logger;
    this.#silenceLimitMs = silenceLimitMs;
  }

  get connected(): boolean {
    return this.#open;
  }

  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** Resolves once the stream is open; opens it on the first call. */
  ready(): Promise<void> {
    this.#connecting ??= this.#connect();
    return this.#connected.promise;
  }

  /** Sends a session's events to a listener, besides others; those of a new child go to the parent's listeners. */
  listen(sessionId: string, listener: SessionListener): void {
    const listeners = this.#listeners.get(sessionId) ?? new Set();
    this.#listeners.set(sessionId, listeners.add(listener));
  }

  unlisten(sessionId: string, listener: SessionListener): void {
    const listeners = this.#listeners.get(sessionId);
    listeners?.delete(listener);
    if (listeners?.size === 0) this.#listeners.delete(sessionId);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#drop();
  }

  async #connect(): Promise<void> {
    await this.#endpoint.listening?.();
    if (this.#closed) return;
    const headers = authorization(this.#endpoint);
    const source = new EventSource(`${this.#endpoint.url}/global/event`, {
      fetch: async (url, init) => {
        const response = await fetch(url, { ...init, headers: { ...init.headers, ...headers } });
        const { status, redirected, body } = response;
        const bounded = body?.pipeThrough(boundedEvents(LONGEST_EVENT)) ?? null;
        return { url: response.url, status, redirected, headers: response.headers, body: bounded };
      },
    });
    this.#source = source;
    this.#restartSilenceTimer(this.#connectLimitMs);
    this.#connectLimitMs = Math.min(this.#connectLimitMs * 2, LAST_CONNECT_LIMIT_MS);
    source.addEventListener('message', ({ data }) => this.#onData(String(data)));
    source.addEventListener('error', ({ code, message }) => {
      this.#fail(code ? `HTTP ${code}` : (message ?? 'the connection ended'));
    });
  }

  #onData(data: string): void {
    this.#restartSilenceTimer();
    const frame = readFrame(data);
    if (frame.kind === 'event') this.#dispatch(frame.event);
    else if (frame.kind === 'delta') this.#onDelta(frame.delta);
    else if (frame.kind === 'connected') this.#onConnected();
    else if (frame.kind === 'ignored') this.#onActivity(frame.session);
    else if (frame.kind === 'unreadable') {
      this.#logger.warn({ type: frame.type }, 'an OpenCode event does not have the expected shape');
    }
  }

  #dispatch(event: OpenCodeEvent): void {
    const session = sessionOf(event);
    if (session === undefined) return;
    const parent = event.type === 'session.created' ? event.properties.info.parentID : undefined;
    // A status comes from OpenCode itself; everything else shows activity of the model.
    if (event.type !== 'session.status') this.#onActivity(session);
    for (const listener of this.#listeners.get(parent ?? session) ?? []) listener.onEvent(event);
  }

  #onDelta(delta: Delta): void {
    this.#onActivity(delta.sessionID);
    for (const listener of this.#listeners.get(delta.sessionID) ?? []) listener.onDelta?.(delta);
  }

  #onActivity(session: string | undefined): void {
    if (session === undefined) return;
    for (const listener of this.#listeners.get(session) ?? []) listener.onActivity?.();
  }

  #onConnected(): void {
    this.#open = true;
    this.#retryMs = FIRST_RETRY_MS;
    this.#connectLimitMs = FIRST_CONNECT_LIMIT_MS;
    this.#lastError = undefined;
    this.#connected.resolve();
    if (this.#hasConnected) for (const listener of this.#allListeners()) listener.onGap();
    this.#hasConnected = true;
  }

  #allListeners(): Set<SessionListener> {
    return new Set([...this.#listeners.values()].flatMap((listeners) => [...listeners]));
  }

  #restartSilenceTimer(limitMs = this.#silenceLimitMs): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#fail(`silent for ${limitMs} ms`), limitMs);
  }

  #fail(why: string): void {
    if (this.#closed) return;
    this.#lastError = why;
    if (this.#open) {
      this.#logger.warn({ why }, 'the OpenCode event stream ended; it is opened again');
      for (const listener of this.#allListeners()) listener.onLost?.(why);
    }
    this.#drop();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#connecting = this.#connect();
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }

  #drop(): void {
    clearTimeout(this.#silence);
    this.#source?.close();
    this.#source = undefined;
    if (this.#open) this.#connected = Promise.withResolvers<void>();
    this.#open = false;
  }
}
