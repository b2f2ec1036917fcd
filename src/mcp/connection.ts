import type { TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';

/** One way by which a client reaches its session: one HTTP request, or a pipe for everything. */
export interface Connection {
  send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void>;
  close(): Promise<void>;
  /** The call was taken back: it gets no answer. */
  cancelled?(id: RequestId): void;
  /** Every call that came in here is answered or taken back. */
  settled?(): void;
}
