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

/** Statuses by which a server says that it does not know this session or this caller. */
const STRANGER: ReadonlySet<number> = new Set([401, 404]);

/** The way to one server, in order; tells once when it is cut. */
export class Upstream {
  readonly lost: Promise<string>;
  readonly #transport: Transport;
  readonly #cut: (reason: string) => void;
  readonly #answers = new Map<RequestId, (message: JSONRPCMessage) => void>();
  #sent: Promise<unknown> = Promise.resolve();

  constructor(transport: Transport, onMessage: (message: JSONRPCMessage) => void, logger: Logger) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.lost = promise;
    this.#cut = resolve;
    this.#transport = transport;
    transport.onmessage = (message) => {
      const answered = 'id' in message && message.id !== undefined && this.#answers.get(message.id);
      if (answered && !isJSONRPCRequest(message)) answered(message);
      else onMessage(message);
    };
    transport.onclose = () => resolve('the connection was closed');
    transport.onerror = (error) => {
      logger.debug({ err: error.message }, 'the connection to the bridge reports');
      if (!isRefusal(error)) resolve(error.message);
    };
  }

  start(): Promise<void> {
    return this.#transport.start();
  }

  /** Sends after what was sent before. Rejects where the server refuses the message; a cut is told by `lost`. */
  send(message: JSONRPCMessage): Promise<void> {
    const sent = this.#sent.then(() => this.#transport.send(message));
    this.#sent = sent.catch(() => undefined);
    return sent.catch((thrown: unknown) => {
      if (isRefusal(thrown)) throw thrown;
      this.#cut(messageOf(thrown));
    });
  }

  /** The answer to a request of our own. */
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

  /** Goes on with what the server answered to `initialize`. */
  settle(answer: JSONRPCMessage): void {
    const result = 'result' in answer ? InitializeResultSchema.safeParse(answer.result).data : undefined;
    if (result) this.#transport.setProtocolVersion?.(result.protocolVersion);
  }
}

/** A message that the server got and did not want, while it goes on serving the session. */
function isRefusal(thrown: unknown): boolean {
  return (
    thrown instanceof StreamableHTTPError && !STRANGER.has(thrown.code ?? 0) && (thrown.code ?? 0) >= 400
  );
}
