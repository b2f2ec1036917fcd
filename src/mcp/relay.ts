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
  type RequestId,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { Link } from './link.ts';

const REFUSED = -32_000;
const REPLAY = 'letta-opencode-plugin/replay';

const callOfAgent = z.object({
  method: z.literal('tools/call'),
  params: z.object({ arguments: z.object({ agent_id: z.string() }) }),
});

/**
 * Passes the messages of one client to a server and back, as they are. The server can change: what the client
 * has said of itself is said again to the next one, which the client does not notice.
 */
export class Relay {
  readonly #client: Transport;
  readonly #logger: Logger;
  readonly #pending = new Map<RequestId, JSONRPCRequest>();
  readonly #agents = new Set<string>();
  #initialize: JSONRPCRequest | undefined;
  #initialized: JSONRPCMessage | undefined;
  #waiting: JSONRPCMessage[] = [];
  #link: Link | undefined;

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
    const link = new Link(server, (message) => this.#fromServer(message), this.#logger);
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
    for (const [id, request] of this.#pending) {
      if (request === this.#initialize) this.#waiting.unshift(request);
      else this.#refuse(id, text);
    }
    this.#pending.clear();
  }

  /** Answers everything with an error; nobody will take it up. */
  giveUp(text: string): void {
    for (const message of this.#waiting.splice(0))
      if (isJSONRPCRequest(message)) this.#refuse(message.id, text);
    for (const id of this.#pending.keys()) this.#refuse(id, text);
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

  #toServer(link: Link, message: JSONRPCMessage): void {
    if (isJSONRPCRequest(message)) this.#pending.set(message.id, message);
    const cancelled = CancelledNotificationSchema.safeParse(message).data?.params.requestId;
    if (cancelled !== undefined) this.#pending.delete(cancelled);
    link.send(message).catch((thrown: unknown) => {
      this.#logger.debug({ err: messageOf(thrown) }, 'the bridge refused a message');
      if (isJSONRPCRequest(message) && this.#pending.delete(message.id)) {
        this.#refuse(message.id, messageOf(thrown));
      }
    });
  }

  #fromServer(message: JSONRPCMessage): void {
    if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) {
      if (message.id === undefined || !this.#pending.delete(message.id)) return;
      if (message.id === this.#initialize?.id) this.#link?.settle(message);
    }
    this.#tell(message);
  }

  async #introduce(link: Link): Promise<void> {
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
