import { randomUUID } from 'node:crypto';
import { ENDING, type McpSession } from '../mcp/session.ts';

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

/** The MCP sessions that are open: a bounded number, idle ones closed. None is closed under a call without an answer. */
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

  /** The session of that id, for whoever began it. */
  find(id: string, credential: string | undefined): Session | undefined {
    const session = this.#sessions.get(id);
    return session && session.credential === credential ? session : undefined;
  }

  /** A session under a new id; `add` lets it be found, once the client has initialized. */
  create(mcp: McpSession, credential: string | undefined): Session {
    return { id: randomUUID(), mcp, credential, openStreams: 0, usedAt: this.#now() };
  }

  add(session: Session): void {
    if (this.#sessions.size >= this.#limits.max) this.#makeRoom();
    this.#sessions.set(session.id, session);
    if (this.#closed) void this.end(session, ENDING.stop);
  }

  streamOpened(session: Session): void {
    session.openStreams += 1;
    session.usedAt = this.#now();
  }

  streamClosed(session: Session): void {
    session.openStreams -= 1;
    session.usedAt = this.#now();
  }

  /** Closes the sessions that have been idle for too long; a call that waits has a stream open. */
  sweep(): void {
    const limit = this.#now() - this.#limits.idleMs;
    for (const session of [...this.#sessions.values()]) {
      if (session.openStreams === 0 && session.usedAt <= limit) void this.end(session, ENDING.room);
    }
  }

  /** It is not found from now on; resolves when its calls are answered and its streams closed. */
  end(session: Session, reason: string): Promise<void> {
    this.#sessions.delete(session.id);
    // Closing cannot fail in a way that anybody could mend.
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
    for (const session of [...this.#sessions.values()]) void this.end(session, ENDING.stop);
    await Promise.all(this.#ending);
  }

  /** Of whoever has most: one that waits for a call, or just listens, is only taken where there is no other. */
  #makeRoom(): void {
    const byCredential = Map.groupBy(this.#sessions.values(), ({ credential }) => credential);
    const [most = []] = [...byCredential.values()].sort((a, b) => b.length - a.length);
    const [longest] = most.sort((a, b) => inUse(a) - inUse(b) || a.usedAt - b.usedAt);
    if (longest) void this.end(longest, ENDING.room);
  }
}

function inUse({ openStreams, mcp }: Session): number {
  if (mcp.transport.openCalls > 0) return 2;
  return openStreams > 0 ? 1 : 0;
}
