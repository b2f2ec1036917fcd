import type { RunnerResources } from '../runner.ts';
import type { Shells } from '../shell/shells.ts';

/** The address of one OpenCode server, and its credentials. */
export interface Endpoint {
  url: string;
  username: string;
  /** Absent for a server without a password. */
  password?: string | undefined;
  /**
   * Resolves once the server listens; absent where that is unknown. OpenCode never answers a request that it accepts
   * before, so none is made earlier.
   */
  listening?: (() => Promise<void>) | undefined;
  /** Why the server does not run, where that is known; undefined while it runs. */
  problem?: (() => string | undefined) | undefined;
  /** The server's process, where the bridge started it. */
  process?: EngineProcess | undefined;
  /** Where commands of tasks run; absent for another server, whose processes the bridge cannot reach. */
  shells?: Shells | undefined;
}

/** The process of a server that the bridge started. */
export interface EngineProcess {
  /** Its id; undefined while it does not listen. */
  pid(): number | undefined;
  /** Bytes of memory that it uses; 0 where that is unknown. */
  rss(): Promise<number>;
  /** Its memory, and how often it was started anew. */
  resources(): Promise<RunnerResources>;
  /** Restarts it; `listening` waits until it listens again. Does nothing while it does not listen. */
  restart(signal: 'SIGTERM' | 'SIGKILL'): void;
  /** Whether it was started with other providers than there are now. */
  outdated(): Promise<boolean>;
}

/** The headers that authorise a request. */
export function authorization({ username, password }: Endpoint): Record<string, string> {
  if (password === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}
