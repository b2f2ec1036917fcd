import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { isLocalConnection } from '../../loopback.ts';
import type { BrowserSession, BrowserSessionStore } from '../../store/browser-session-store.ts';
import type { GuardedRequest } from '../guards/guard.ts';
import { type BoundToken, credentialOf, type Identity } from '../guards/token-check.ts';
import { sessionIdsOf } from './session-cookie.ts';

export const CSRF_HEADER = 'X-CSRF-Token';
/** How long a session lives, used or not. */
export const LIFETIME_MS = 24 * 60 * 60 * 1_000;
/** Sessions of all tokens; of one token, so that it cannot end those of others. */
const MAX_SESSIONS = 10_000;
const MAX_OF_TOKEN = 100;

/** A session as a request is authenticated by it. */
interface OpenSession {
  idHash: string;
  expiresAt: number;
  identity: Identity;
}

/**
 * Sessions of browsers, each opened with a bearer token. A session is what its token is now: the same agent, and over as
 * soon as the token is not configured any more.
 *
 *     (none) → open     by `open`, with a token that was checked
 *     open   → ended    by `end`, after LIFETIME_MS, when the token is gone, or to make room for a newer one
 *
 * A browser sends a cookie to every port of a host, so also to a web server that a task has started. Therefore the id in
 * the cookie is worth nothing without the CSRF token, which only the page has.
 */
export class BrowserSessions {
  readonly #store: BrowserSessionStore;
  readonly #tokens: readonly BoundToken[];
  readonly #now: () => number;
  /** By credential: the hashes of the latest sessions that this process opened with the token, the oldest first. */
  readonly #latest = new Map<string, string[]>();
  /** By hash of the id: aborts when the session ends, for what outlives the request that began it. */
  readonly #ends = new Map<string, { controller: AbortController; timer: NodeJS.Timeout }>();

  constructor(store: BrowserSessionStore, tokens: readonly BoundToken[], now: () => number = Date.now) {
    this.#store = store;
    this.#tokens = tokens;
    this.#now = now;
  }

  /** Whether there are tokens at all; else there is nothing to sign in for. */
  get needsToken(): boolean {
    return this.#tokens.length > 0;
  }

  /** Opens a session; the token was checked. Its secrets are not kept here. */
  open(token: string): { id: string; csrfToken: string; expiresAt: number } {
    const [id, csrfToken] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')];
    const now = this.#now();
    const expiresAt = now + LIFETIME_MS;
    const session = { idHash: sha256(id), csrfHash: sha256(csrfToken), proof: proofOf(id, token), expiresAt };
    this.#store.add(session, now, MAX_SESSIONS);
    this.#makeRoom(credentialOf(token), session.idHash);
    return { id, csrfToken, expiresAt };
  }

  /** The session of a request: one of its cookies has the id, and its header the CSRF token of the same session. */
  find(request: GuardedRequest): OpenSession | undefined {
    const csrfToken = request.headers[CSRF_HEADER.toLowerCase()];
    if (typeof csrfToken !== 'string') return undefined;
    const csrfHash = sha256(csrfToken);
    for (const id of sessionIdsOf(request.headers)) {
      const session = this.#store.find(sha256(id));
      if (!session || session.expiresAt <= this.#now() || !isEqual(session.csrfHash, csrfHash)) continue;
      const token = this.#tokens.find((it) => isEqual(proofOf(id, it.token), session.proof));
      if (!token || (token.local && !isLocalConnection(request.socket))) continue;
      const identity = {
        agentId: token.agentId,
        credential: credentialOf(token.token),
        ended: this.#endOf(session),
      };
      return { idHash: session.idHash, expiresAt: session.expiresAt, identity };
    }
    return undefined;
  }

  /** Ends a session, and what still runs by it. */
  end(idHash: string): void {
    this.#store.remove(idHash);
    this.#abort(idHash);
  }

  /** Ends what runs by any session; the sessions stay. */
  close(): void {
    for (const idHash of [...this.#ends.keys()]) this.#abort(idHash);
  }

  #makeRoom(credential: string, idHash: string): void {
    const latest = [...(this.#latest.get(credential) ?? []), idHash];
    const oldest = latest.length > MAX_OF_TOKEN ? latest.shift() : undefined;
    this.#latest.set(credential, latest);
    if (oldest !== undefined) this.end(oldest);
  }

  #endOf({ idHash, expiresAt }: BrowserSession): AbortSignal {
    const known = this.#ends.get(idHash);
    if (known) return known.controller.signal;
    const controller = new AbortController();
    const timer = setTimeout(() => this.#abort(idHash), expiresAt - this.#now()).unref();
    this.#ends.set(idHash, { controller, timer });
    return controller.signal;
  }

  #abort(idHash: string): void {
    const end = this.#ends.get(idHash);
    this.#ends.delete(idHash);
    clearTimeout(end?.timer);
    end?.controller.abort();
  }
}

function proofOf(id: string, token: string): string {
  return createHmac('sha256', token).update(id).digest('hex');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Both are digests, so they have one length. */
function isEqual(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
