import type { TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';

/** With this value, the header says that a client never resumes a stream: the relay, which handles a cut line itself. */
export const RESUME_HEADER = 'x-mcp-resume';
export const RESUME_NEVER = 'never';

/** How a client reaches its session: one HTTP request, or a pipe for all messages. */
export interface Connection {
  send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void>;
  close(): Promise<void>;
  /** False where the response holds answers alone. */
  readonly carriesRequests?: boolean;
  /** The call was cancelled and gets no answer. */
  cancelled?(id: RequestId): void;
  /** Each call of this connection is answered or cancelled. */
  settled?(): void;
}
