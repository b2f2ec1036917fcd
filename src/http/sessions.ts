import { randomUUID } from 'node:crypto';
import type { InitializeRequestParams } from '@modelcontextprotocol/sdk/types.js';
import { Caller, type UsedAgents } from '../api/caller.ts';
import { END_REASONS, type McpSession } from '../mcp/session.ts';
import type { SessionRecords } from './session-records.ts';

export interface SessionLimits {
  max: number;
  /** Milliseconds without an open stream after which a session is closed. */
  idleMs: number;
}

const DEFAULT_LIMITS: SessionLimits = { max: 1_000, idleMs: 30 * 60_000 };
const SWEEPS = 10;
/** How often the use of a session is stored at most. */
const STORE_USE_MS = 60 * 60_000;

/** One client's session, as it is known over HTTP. */
export interface Session {
  readonly id: string;
  readonly mcp: McpSession;
  /** What the client authenticated with when it began. */
  readonly credential: string | undefined;
  openStreams: number;
  /** Epoch milliseconds. */
  usedAt: number;
  /** When its use was last stored, and which agents had been named in it by then. */
  storedAt: number;
  agents: UsedAgents | undefined;
}

interface SessionsOptions {
  limits?: SessionLimits | undefined;
  open(caller: Caller): Promise<McpSession>;
  /** Absent: no session outlives the process. */
  records?: SessionRecords | undefined;
  now?: () => number;
}

/**
 * The open MCP sessions, a bounded number. No call is closed without an answer.
 *
 *     (none) → open     `begin`, then `add`; or `find`, if it is stored
 *     open   → stored   when it is idle, and when the bridge stops
 *     open   → (none)   by the client, and to make room
 */
export class Sessions {
  readonly #limits: SessionLimits;
  readonly #now: () => number;
  readonly #open: SessionsOptions['open'];
  readonly #records: SessionRecords | undefined;
  readonly #sessions = new Map<string, Session>();
  readonly #resuming = new Map<string, Promise<Session | undefined>>();
  readonly #ending = new Set<Promise<void>>();
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor({ limits = DEFAULT_LIMITS, open, records, now = Date.now }: SessionsOptions) {
    this.#limits = limits;
    this.#open = open;
    this.#records = records;
    this.#now = now;
    this.#sweeper = setInterval(() => this.sweep(), Math.max(1, limits.idleMs / SWEEPS));
    this.#sweeper.unref();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The session with that id, if the same credential began it; one that is only stored is resumed. */
  async find(id: string, credential: string | undefined): Promise<Session | undefined> {
    const session = this.#sessions.get(id);
    if (session) return session.credential === credential ? session : undefined;
    // Of several requests that come at once, the first opens it.
    const key = `${id} ${credential}`;
    const resuming = this.#resuming.get(key) ?? this.#resume(id, credential);
    this.#resuming.set(key, resuming);
    return resuming.finally(() => this.#resuming.delete(key));
  }

  /** A session under a new id; `add` lets it be found, once the client has initialized. */
  async begin(credential: string | undefined): Promise<Session> {
    return this.#create(randomUUID(), credential);
  }

  /** With the handshake of its client it is stored. */
  add(session: Session, handshake?: InitializeRequestParams): void {
    if (this.#sessions.size >= this.#limits.max) this.#evictOne();
    this.#sessions.set(session.id, session);
    if (handshake) this.#records?.add(session.id, session.credential, handshake);
    if (this.#closed) void this.end(session, END_REASONS.stop);
  }

  streamOpened(session: Session): void {
    session.openStreams += 1;
    session.usedAt = this.#now();
    if (session.usedAt - session.storedAt > STORE_USE_MS) this.#storeUse(session);
  }

  streamClosed(session: Session): void {
    session.openStreams -= 1;
    session.usedAt = this.#now();
  }

  /** Closes sessions that have been idle for too long; a waiting call has an open stream. */
  sweep(): void {
    const limit = this.#now() - this.#limits.idleMs;
    for (const session of [...this.#sessions.values()]) {
      if (session.openStreams === 0 && session.usedAt <= limit) void this.end(session, END_REASONS.idle);
    }
  }

  /** From now on the session is not open; resolves when its calls are answered and its streams closed. */
  end(session: Session, reason: string): Promise<void> {
    this.#sessions.delete(session.id);
    if (FINAL.has(reason)) this.#records?.remove(session.id, session.credential);
    // Nobody could act on a failure to close.
    const ended = session.mcp
      .end(reason)
      .catch(() => undefined)
      .finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
    return ended;
  }

  async closeAll(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const session of [...this.#sessions.values()]) void this.end(session, END_REASONS.stop);
    await Promise.all(this.#ending);
  }

  async #resume(id: string, credential: string | undefined): Promise<Session | undefined> {
    const stored = this.#closed ? undefined : this.#records?.find(id, credential);
    if (!stored) return undefined;
    const session = await this.#create(id, credential, stored.agents);
    await session.mcp.replay(stored.handshake);
    this.add(session);
    return session;
  }

  async #create(id: string, credential: string | undefined, agents?: UsedAgents): Promise<Session> {
    const caller = new Caller(agents, (used) => {
      session.agents = used;
      this.#storeUse(session);
    });
    const mcp = await this.#open(caller);
    const now = this.#now();
    const session = { id, mcp, credential, openStreams: 0, usedAt: now, storedAt: now, agents };
    return session;
  }

  #storeUse(session: Session): void {
    session.storedAt = this.#now();
    this.#records?.used(session.id, session.credential, session.agents);
  }

  /** Evicts from the credential with most sessions: idle ones first, then ones with a stream, then with an open call. */
  #evictOne(): void {
    const byCredential = Map.groupBy(this.#sessions.values(), ({ credential }) => credential);
    const [most = []] = [...byCredential.values()].sort((a, b) => b.length - a.length);
    const [longest] = most.sort((a, b) => inUse(a) - inUse(b) || a.usedAt - b.usedAt);
    if (longest) void this.end(longest, END_REASONS.evicted);
  }
}

/** Reasons after which a session is not stored any more. */
const FINAL: ReadonlySet<string> = new Set([END_REASONS.client, END_REASONS.evicted]);

function inUse({ openStreams, mcp }: Session): number {
  if (mcp.transport.openCalls > 0) return 2;
  return openStreams > 0 ? 1 : 0;
}
