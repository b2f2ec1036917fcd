/** A session of a browser. Nothing in it lets a reader of the store use the session, or guess the token. */
export interface BrowserSession {
  /** SHA-256 of the id, which is in the cookie only. */
  idHash: string;
  /** SHA-256 of the CSRF token, which the page keeps. */
  csrfHash: string;
  /** HMAC of the id, with the bearer token as the key. */
  proof: string;
  /** Epoch milliseconds. */
  expiresAt: number;
}

/** Sessions of browsers. A power loss may undo an `add`, but no `remove`. */
export interface BrowserSessionStore {
  /** Removes what has expired, and of more than `max` sessions those that expire first. */
  add(session: BrowserSession, now: number, max: number): void;
  find(idHash: string): BrowserSession | undefined;
  remove(idHash: string): void;
}
