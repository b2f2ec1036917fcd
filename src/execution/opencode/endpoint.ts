/** Where one OpenCode server is, and the credentials it wants. */
export interface Endpoint {
  url: string;
  username: string;
  /** Absent for a server without a password. */
  password?: string | undefined;
  /**
   * Resolves once the server listens; absent where that cannot be known. A request that OpenCode accepts
   * before it says so is never answered, hence none is made earlier.
   */
  listening?: (() => Promise<void>) | undefined;
  /** Why it does not run, where that is known; undefined while it does. */
  problem?: (() => string | undefined) | undefined;
}

/** The headers that authorise a request. */
export function authorization({ username, password }: Endpoint): Record<string, string> {
  if (password === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}
