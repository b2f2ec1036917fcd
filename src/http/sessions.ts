import { randomUUID } from 'node:crypto';
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

import type { RequestId } from '@modelcontextprotocol/sdk/types.js';

export interface SessionLimits {
  max: number;
  /** Milliseconds without an open stream after which a session is closed. */
  idleMs: number;
}

const DEFAULT_LIMITS: SessionLimits = { max: 1_000, idleMs: 30 * 60_000 };
const SWEEPS = 10;

/** One client's connection: a server and transport of its own. */
export interface Session {
  readonly transport: StreamableHTTPServerTransport;
  readonly server: Server;
  /** What the client authenticated with when it began. */
  readonly credential: string | undefined;
  openStreams: number;
  /** Calls that have a stream to themselves. */
  readonly calls: Set<RequestId>;
  /** Epoch milliseconds. */
  usedAt: number;
}

/** The MCP sessions that are open: a bounded number, idle ones closed. */
export class Sessions {
  readonly #limits: SessionLimits;
  readonly #now: () => number;
  readonly #sessions = new Map<string, Session>();
  readonly #sweeper: NodeJS.Timeout;

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

  /** Connects a server to a transport of its own; it becomes a session once the client has initialized. */
  async open(server: Server, credential: string | undefined, maxBodyBytes: number): Promise<Session> {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => this.#add(id, session),
      maxRequestBodySize: maxBodyBytes,
    });
    const session: Session = {
      transport,
      server,
      credential,
      openStreams: 0,
      calls: new Set(),
      usedAt: this.#now(),
    };
    server.onclose = () => {
      if (transport.sessionId !== undefined) this.#sessions.delete(transport.sessionId);
    };
    await server.connect(transport);
    return session;
  }

  streamOpened(session: Session): void {
    session.openStreams += 1;
    session.usedAt = this.#now();
  }

  streamClosed(session: Session): void {
    session.openStreams -= 1;
    session.usedAt = this.#now();
  }

  /** Closes the sessions that have been idle for too long. */
  sweep(): void {
    const limit = this.#now() - this.#limits.idleMs;
    for (const session of [...this.#sessions.values()]) {
      if (session.openStreams === 0 && session.usedAt <= limit) this.#close(session);
    }
  }

  async closeAll(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.all([...this.#sessions.values()].map(({ server }) => server.close()));
  }

  #add(id: string, session: Session): void {
    if (this.#sessions.size >= this.#limits.max) this.#closeLongestIdle();
    this.#sessions.set(id, session);
  }

  /** Of whoever has most; one with an open stream is only taken where there is no other. */
  #closeLongestIdle(): void {
    const byCredential = Map.groupBy(this.#sessions.values(), ({ credential }) => credential);
    const [most = []] = [...byCredential.values()].sort((a, b) => b.length - a.length);
    const [longest] = most.sort(
      (a, b) => Number(a.openStreams > 0) - Number(b.openStreams > 0) || a.usedAt - b.usedAt,
    );
    if (longest) this.#close(longest);
  }

  #close(session: Session): void {
    // Closing a transport cannot fail in a way that anybody could mend.
    session.server.close().catch(() => undefined);
  }
}
