import type { TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';

/** How a client reaches its session: one HTTP request, or a pipe for all messages. */
export interface Connection {
  send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void>;
  close(): Promise<void>;
  /** The call was cancelled and gets no answer. */
  cancelled?(id: RequestId): void;
  /** Each call of this connection is answered or cancelled. */
  settled?(): void;
}
