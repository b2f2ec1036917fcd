import type { Shells } from '../shell/shells.ts';

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
  /** The server's process, where it is ours. */
  process?: EngineProcess | undefined;
  /** Where commands of tasks run; absent for a server that is not ours: what they start there is out of reach. */
  shells?: Shells | undefined;
}

/** The process of a server that we started. */
export interface EngineProcess {
  /** Its id; undefined while it does not listen. */
  pid(): number | undefined;
  /** Bytes of memory that it occupies; 0 where that cannot be known. */
  rss(): Promise<number>;
  /** Ends it; it is then started anew, and `listening` waits for that. Does nothing while it does not listen. */
  restart(signal: 'SIGTERM' | 'SIGKILL'): void;
}

/** The headers that authorise a request. */
export function authorization({ username, password }: Endpoint): Record<string, string> {
  if (password === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}
