import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CancelledNotificationSchema,
  isInitializedNotification,
  isInitializeRequest,
  isJSONRPCErrorResponse,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type JSONRPCResponse,
  type RequestId,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { Upstream } from './upstream.ts';

const REFUSED = -32_000;
const REPLAY = 'letta-opencode-plugin/replay';
const REPEATED = 'letta-opencode-plugin/repeated';

const callOfAgent = z.object({
  method: z.literal('tools/call'),
  params: z.object({ arguments: z.object({ agent_id: z.string().min(1) }) }),
});

/**
 * Passes the messages of one client to a server and back, as they are. The server can change: what the client
 * has said of itself is said again to the next one, which the client does not notice.
 */
export class Relay {
  readonly #client: Transport;
  readonly #logger: Logger;
  /** Requests without an answer, by the id under which the server knows them. */
  readonly #pending = new Map<RequestId, JSONRPCRequest>();
  #repeated = 0;
  readonly #agents = new Set<string>();
  #initialize: JSONRPCRequest | undefined;
  #initialized: JSONRPCMessage | undefined;
  #waiting: JSONRPCMessage[] = [];
  #link: Upstream | undefined;

  constructor(client: Transport, logger: Logger) {
    this.#client = client;
    this.#logger = logger;
    client.onmessage = (message) => this.#fromClient(message);
  }

  /**
   * Goes on with this server. Rejects where it does not take the client up; afterwards resolves with a promise
   * of the reason why it could not be reached any more.
   */
  async connect(server: Transport): Promise<{ lost: Promise<string> }> {
    const link = new Upstream(server, (message) => this.#fromServer(message), this.#logger);
    await link.start();
    await this.#introduce(link);
    this.#link = link;
    for (const message of this.#waiting.splice(0)) this.#toServer(link, message);
    link.lost.then(() => {
      if (this.#link === link) this.#link = undefined;
    });
    return { lost: link.lost };
  }

  /** Answers with an error what the lost server left open, but for `initialize`, which the next one gets. */
  interrupt(text: string): void {
    for (const request of this.#pending.values()) {
      if (request === this.#initialize) this.#waiting.unshift(request);
      else this.#refuse(request.id, text);
    }
    this.#pending.clear();
  }

  /** Answers everything with an error; nobody will take it up. */
  giveUp(text: string): void {
    for (const message of this.#waiting.splice(0))
      if (isJSONRPCRequest(message)) this.#refuse(message.id, text);
    for (const { id } of this.#pending.values()) this.#refuse(id, text);
    this.#pending.clear();
  }

  #fromClient(message: JSONRPCMessage): void {
    this.#remember(message);
    if (this.#link) this.#toServer(this.#link, message);
    else this.#waiting.push(message);
  }

  /** Keeps what the next server has to know: who the client is, and as which agents it has called. */
  #remember(message: JSONRPCMessage): void {
    if (isJSONRPCRequest(message) && isInitializeRequest(message)) this.#initialize = message;
    if (isInitializedNotification(message)) this.#initialized = message;
    const call = callOfAgent.safeParse(message);
    // Of two different ones a server remembers no more than that there are several.
    if (call.success && this.#agents.size < 2) this.#agents.add(call.data.params.arguments.agent_id);
  }

  #toServer(link: Upstream, message: JSONRPCMessage): void {
    const cancelled = CancelledNotificationSchema.safeParse(message).data?.params.requestId;
    if (isJSONRPCRequest(message)) this.#ask(link, message);
    else if (cancelled === undefined) this.#send(link, message);
    else this.#cancel(link, message, cancelled);
  }

  /** A request whose id another one still has gets one of ours: each has its own answer. */
  #ask(link: Upstream, request: JSONRPCRequest): void {
    let { id } = request;
    while (this.#pending.has(id)) {
      this.#repeated += 1;
      id = `${REPEATED}/${this.#repeated}`;
    }
    this.#pending.set(id, request);
    this.#send(link, { ...request, id }, (reason) => {
      if (this.#pending.get(id) === request && this.#pending.delete(id)) this.#refuse(request.id, reason);
    });
  }

  /** Of two requests with one id none is taken back: the answer of the other one would be lost. */
  #cancel(link: Upstream, message: JSONRPCMessage, cancelled: RequestId): void {
    const [meant, another] = [...this.#pending].filter(([, { id }]) => id === cancelled);
    if (!meant || another) return;
    const [requestId] = meant;
    this.#pending.delete(requestId);
    const params = 'params' in message ? { ...message.params, requestId } : { requestId };
    this.#send(link, { jsonrpc: '2.0', method: 'notifications/cancelled', params });
  }

  #send(link: Upstream, message: JSONRPCMessage, refused?: (reason: string) => void): void {
    link.send(message).catch((thrown: unknown) => {
      this.#logger.debug({ err: messageOf(thrown) }, 'the bridge refused a message');
      refused?.(messageOf(thrown));
    });
  }

  #fromServer(message: JSONRPCMessage): void {
    if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) this.#answer(message);
    else this.#tell(message);
  }

  #answer(message: JSONRPCResponse): void {
    const request = message.id === undefined ? undefined : this.#pending.get(message.id);
    if (message.id === undefined || !request) return;
    this.#pending.delete(message.id);
    if (request === this.#initialize) this.#link?.settle(message);
    this.#tell({ ...message, id: request.id });
  }

  async #introduce(link: Upstream): Promise<void> {
    const initialize = this.#initialize;
    // One that still waits is passed on as it is.
    if (!initialize || this.#waiting.includes(initialize)) return;
    link.settle(await link.request({ ...initialize, id: `${REPLAY}/initialize` }));
    if (this.#initialized && !this.#waiting.includes(this.#initialized)) await link.send(this.#initialized);
    for (const agent_id of this.#agents) {
      const params = { name: 'list_tasks', arguments: { agent_id, limit: 1 } };
      await link.request({ jsonrpc: '2.0', id: `${REPLAY}/${agent_id}`, method: 'tools/call', params });
    }
  }

  #refuse(id: RequestId, message: string): void {
    this.#tell({ jsonrpc: '2.0', id, error: { code: REFUSED, message } });
  }

  #tell(message: JSONRPCMessage): void {
    this.#client.send(message).catch((thrown: unknown) => {
      this.#logger.debug({ err: messageOf(thrown) }, 'the client took no answer');
    });
  }
}
