import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  InitializeResultSchema,
  isJSONRPCRequest,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type RequestId,
} from '@modelcontextprotocol/sdk/types.js';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { SerialQueue } from '../serial-queue.ts';

/** Statuses of a server that does not know this session or this caller. */
const SESSION_REJECTED: ReadonlySet<number> = new Set([401, 404]);

/** What the SDK 1.32 says where a stream has ended or broken that must not be resumed. */
const STREAM_ENDED = /^(SSE stream disconnected|Maximum reconnection attempts)/;

/** The ordered connection to one server; `lost` resolves with the reason once it is broken. */
export class Upstream {
  readonly lost: Promise<string>;
  readonly #transport: Transport;
  readonly #disconnected: (reason: string) => void;
  readonly #answers = new Map<RequestId, (message: JSONRPCMessage) => void>();
  readonly #sends = new SerialQueue();

  constructor(transport: Transport, onMessage: (message: JSONRPCMessage) => void, logger: Logger) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.lost = promise;
    this.#disconnected = resolve;
    this.#transport = transport;
    transport.onmessage = (message) => {
      const answered = 'id' in message && message.id !== undefined && this.#answers.get(message.id);
      if (answered && !isJSONRPCRequest(message)) answered(message);
      else onMessage(message);
    };
    transport.onclose = () => resolve('the connection was closed');
    transport.onerror = (error) => {
      logger.debug({ err: error.message }, 'error on the connection to the bridge');
      if (!isRefusal(error)) resolve(STREAM_ENDED.test(error.message) ? 'its stream ended' : error.message);
    };
  }

  start(): Promise<void> {
    return this.#transport.start();
  }

  /** Sends after all earlier messages. Rejects if the server refuses the message; a broken connection resolves `lost`. */
  send(message: JSONRPCMessage): Promise<void> {
    const sent = this.#sends.run(() => this.#transport.send(message));
    return sent.catch((thrown: unknown) => {
      if (isRefusal(thrown)) throw thrown;
      this.#disconnected(messageOf(thrown));
    });
  }

  /** Sends a request of the relay itself and resolves with the answer. */
  async request(request: JSONRPCRequest): Promise<JSONRPCMessage> {
    const { promise, resolve } = Promise.withResolvers<JSONRPCMessage>();
    this.#answers.set(request.id, resolve);
    try {
      await this.send(request);
      return await Promise.race([promise, this.lost.then((reason) => Promise.reject(new Error(reason)))]);
    } finally {
      this.#answers.delete(request.id);
    }
  }

  /** Uses the protocol version that the server chose in its answer to `initialize`. */
  useProtocolOf(answer: JSONRPCMessage): void {
    const result = 'result' in answer ? InitializeResultSchema.safeParse(answer.result).data : undefined;
    if (result) this.#transport.setProtocolVersion?.(result.protocolVersion);
  }
}

/** The server refused one message, but the session is still valid. */
function isRefusal(thrown: unknown): boolean {
  return (
    thrown instanceof StreamableHTTPError &&
    !SESSION_REJECTED.has(thrown.code ?? 0) &&
    (thrown.code ?? 0) >= 400
  );
}
