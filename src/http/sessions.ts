import { randomUUID } from 'node:crypto';
import { END_REASONS, type McpSession } from '../mcp/session.ts';

export interface SessionLimits {
  max: number;
  /** Milliseconds without an open stream after which a session is closed. */
  idleMs: number;
}

const DEFAULT_LIMITS: SessionLimits = { max: 1_000, idleMs: 30 * 60_000 };
const SWEEPS = 10;

/** One client's session, as it is known over HTTP. */
export interface Session {
  readonly id: string;
  readonly mcp: McpSession;
  /** What the client authenticated with when it began. */
  readonly credential: string | undefined;
  openStreams: number;
  /** Epoch milliseconds. */
  usedAt: number;
}

/** The open MCP sessions: a bounded number, idle ones are closed. No call is closed without an answer. */
export class Sessions {
  readonly #limits: SessionLimits;
  readonly #now: () => number;
  readonly #sessions = new Map<string, Session>();
  readonly #ending = new Set<Promise<void>>();
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor(limits: SessionLimits = DEFAULT_LIMITS, now: () => number = Date.now) {
    this.#limits = limits;
    this.#now = now;
    this.#sweeper = setInterval(() => this.sweep(), Math.max(1, limits.idleMs / SWEEPS));
    this.#sweeper.unref();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The session with that id, if the same credential began it. */
  find(id: string, credential: string | undefined): Session | undefined {
    const session = this.#sessions.get(id);
    return session && session.credential === credential ? session : undefined;
  }

  /** A session under a new id; `add` lets it be found, once the client has initialized. */
  create(mcp: McpSession, credential: string | undefined): Session {
    return { id: randomUUID(), mcp, credential, openStreams: 0, usedAt: this.#now() };
  }

  add(session: Session): void {
    if (this.#sessions.size >= this.#limits.max) this.#evictOne();
    this.#sessions.set(session.id, session);
    if (this.#closed) void this.end(session, END_REASONS.stop);
  }

  streamOpened(session: Session): void {
    session.openStreams += 1;
    session.usedAt = this.#now();
  }

  streamClosed(session: Session): void {
    session.openStreams -= 1;
    session.usedAt = this.#now();
  }

  /** Closes sessions that have been idle for too long; a waiting call has an open stream. */
  sweep(): void {
    const limit = this.#now() - this.#limits.idleMs;
    for (const session of [...this.#sessions.values()]) {
      if (session.openStreams === 0 && session.usedAt <= limit) void this.end(session, END_REASONS.evicted);
    }
  }

  /** From now on the session is not found; resolves when its calls are answered and its streams closed. */
  end(session: Session, reason: string): Promise<void> {
    this.#sessions.delete(session.id);
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

  /** Evicts from the credential with most sessions: idle ones first, then ones with a stream, then with an open call. */
  #evictOne(): void {
    const byCredential = Map.groupBy(this.#sessions.values(), ({ credential }) => credential);
    const [most = []] = [...byCredential.values()].sort((a, b) => b.length - a.length);
    const [longest] = most.sort((a, b) => inUse(a) - inUse(b) || a.usedAt - b.usedAt);
    if (longest) void this.end(longest, END_REASONS.evicted);
  }
}

function inUse({ openStreams, mcp }: Session): number {
  if (mcp.transport.openCalls > 0) return 2;
  return openStreams > 0 ? 1 : 0;
}
