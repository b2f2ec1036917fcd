import { randomUUID } from 'node:crypto';
import { CancelledNotificationSchema, type JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';

/**
 * The ids of the requests that a server sends to its client. The SDK counts them from 0 in each process, but a session
 * outlives the process: without a mark of their own, the answer to a form of the last one could allow a command that
 * the next one asks about.
 */
export class QuestionIds {
  readonly #prefix = `${randomUUID()}.`;

  /** A message of the server as the client gets it. */
  toClient(message: JSONRPCMessage): JSONRPCMessage {
    // Looked at and not parsed: each answer and each line of progress comes by here.
    if (!('method' in message)) return message;
    if ('id' in message) return { ...message, id: `${this.#prefix}${message.id}` };
    if (message.method !== 'notifications/cancelled') return message;
    const cancelled = CancelledNotificationSchema.safeParse(message).data?.params;
    if (cancelled?.requestId === undefined) return message;
    const params = { ...cancelled, requestId: `${this.#prefix}${cancelled.requestId}` };
    return { jsonrpc: '2.0', method: 'notifications/cancelled', params };
  }

  /** A message of the client as the server gets it; undefined if it answers what this server has not asked. */
  fromClient(message: JSONRPCMessage): JSONRPCMessage | undefined {
    if ('method' in message) return message;
    const { id } = message;
    if (typeof id !== 'string' || !id.startsWith(this.#prefix)) return undefined;
    return { ...message, id: Number(id.slice(this.#prefix.length)) };
  }
}
