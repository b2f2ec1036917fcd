import type { MessageWithParts, SessionStatus } from '../opencode-protocol/wire.ts';
import type { RequestLists } from './open-requests.ts';

/** OpenCode's records of a session and those below it, since the prompt of a turn. */
export interface Records {
  /** The session's own messages from the prompt on, oldest first. */
  messages: readonly MessageWithParts[];
  /** The messages of each session below. */
  below: ReadonlyMap<string, readonly MessageWithParts[]>;
  /** The sessions of the directory that are at work; read before the messages, so never newer than those. */
  statuses: ReadonlyMap<string, SessionStatus>;
  requests: RequestLists;
  /** The ids of the requests that were open before the lists were read. */
  openBefore: readonly string[];
  /** Statuses after the lists were read, where a request is gone from those. */
  later: ReadonlyMap<string, SessionStatus>;
}
