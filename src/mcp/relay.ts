import { setTimeout as sleep } from 'node:timers/promises';
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
import { ModernRelay } from './modern-relay.ts';
import type { ModernTarget } from './modern-request.ts';
import { Upstream } from './upstream.ts';

const REFUSED = -32_000;
/** How long answers may take to arrive after the session has ended. */
const DRAIN_LIMIT_MS = 1_000;
/** The same after the bridge was lost: its answers and the loss arrive on different connections. */
const LATE_MS = 500;
const REPLAY = 'letta-opencode-plugin/replay';
const REPEATED = 'letta-opencode-plugin/repeated';

const callOfAgent = z.object({
  method: z.literal('tools/call'),
  params: z.object({ arguments: z.object({ agent_id: z.string().min(1) }) }),
});

const subscription = z.object({
  method: z.enum(['resources/subscribe', 'resources/unsubscribe']),
  params: z.object({ uri: z.string() }),
});
/** As many as a session can have. */
const MAX_SUBSCRIPTIONS = 100;

/**
 * Forwards the messages of one client to a server and back, unchanged. The server can be replaced: the relay replays
 * the client's handshake and its agent ids to the next one, without the client noticing.
 */
export class Relay {
  readonly #client: Transport;
  readonly #logger: Logger;
  /** For the messages that need no session. */
  readonly #modern: ModernRelay;
  /** Unanswered requests, by the id that the server knows. */
  readonly #pending = new Map<RequestId, JSONRPCRequest>();
  readonly #onAllAnswered: (() => void)[] = [];
  /** What the server asks the client, by id. */
  readonly #asked = new Set<RequestId>();
  #repeated = 0;
  readonly #agents = new Set<string>();
  /** What the client is subscribed to. */
  readonly #subscriptions = new Set<string>();
  #initialize: JSONRPCRequest | undefined;
  #initialized: JSONRPCMessage | undefined;
  #unsent: JSONRPCMessage[] = [];
  #upstream: Upstream | undefined;

  constructor(client: Transport, logger: Logger) {
    this.#client = client;
    this.#logger = logger;
    this.#modern = new ModernRelay(client, logger);
    client.onmessage = (message) => this.#fromClient(message);
  }

  /**
   * Connects to a server and sends it what is waiting. Rejects if the server refuses the handshake; otherwise `lost`
   * resolves with the reason once the server cannot be reached any more.
   */
  async connect(server: Transport, modern?: ModernTarget): Promise<{ lost: Promise<string> }> {
    const upstream = new Upstream(server, (message) => this.#fromServer(message), this.#logger);
    await upstream.start();
    await this.#replayHandshake(upstream);
    this.#upstream = upstream;
    for (const message of this.#unsent.splice(0)) this.#toServer(upstream, message);
    upstream.lost.then(() => {
      if (this.#upstream === upstream) this.#upstream = undefined;
    });
    return { lost: Promise.race([upstream.lost, ...(modern ? [this.#modern.connect(modern)] : [])]) };
  }

  /** Resolves when the answers that a bridge gave before its end have been forwarded, or at a time limit. */
  async drain(): Promise<void> {
    await within(DRAIN_LIMIT_MS, Promise.all([this.#allAnswered(), this.#modern.drain()]));
  }

  /** Rejects the requests that the lost server left open, except `initialize`, which goes to the next one. */
  async interrupt(text: string): Promise<void> {
    this.#modern.interrupt();
    await within(LATE_MS, this.#allAnswered());
    for (const request of this.#pending.values()) {
      if (request === this.#initialize) this.#unsent.unshift(request);
      else this.#refuse(request.id, text);
    }
    this.#pending.clear();
    // Nobody takes their answers any more.
    for (const requestId of this.#asked) {
      const params = { requestId, reason: text };
      this.#sendToClient({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
    }
    this.#asked.clear();
  }

  /** Rejects all requests; there will be no other server. */
  rejectAll(text: string): void {
    this.#modern.rejectAll(text);
    for (const message of this.#unsent.splice(0))
      if (isJSONRPCRequest(message)) this.#refuse(message.id, text);
    for (const { id } of this.#pending.values()) this.#refuse(id, text);
    this.#pending.clear();
  }

  #fromClient(message: JSONRPCMessage): void {
    if (this.#modern.receive(message)) return;
    this.#remember(message);
    if (this.#upstream) this.#toServer(this.#upstream, message);
    else if ('method' in message) this.#unsent.push(message);
    // The server that asked is gone: its question needs no answer, and no cancellation either.
    else if (message.id !== undefined) this.#asked.delete(message.id);
  }

  /** Keeps what the next server has to know: the client's handshake, and the agents that it has called as. */
  #remember(message: JSONRPCMessage): void {
    if (isJSONRPCRequest(message) && isInitializeRequest(message)) this.#initialize = message;
    if (isInitializedNotification(message)) this.#initialized = message;
    const call = callOfAgent.safeParse(message);
    // With two, a server only remembers that there are several.
    if (call.success && this.#agents.size < 2) this.#agents.add(call.data.params.arguments.agent_id);
    const { method, params } = subscription.safeParse(message).data ?? {};
    if (method === 'resources/unsubscribe') this.#subscriptions.delete(params?.uri ?? '');
    else if (params && this.#subscriptions.size < MAX_SUBSCRIPTIONS) this.#subscriptions.add(params.uri);
  }

  #toServer(upstream: Upstream, message: JSONRPCMessage): void {
    const cancelled = CancelledNotificationSchema.safeParse(message).data?.params.requestId;
    if (!('method' in message) && message.id !== undefined) this.#asked.delete(message.id);
    if (isJSONRPCRequest(message)) this.#sendRequest(upstream, message);
    else if (cancelled === undefined) this.#send(upstream, message);
    else this.#cancel(upstream, message, cancelled);
  }

  /** A request whose id is still in use gets a new one, so that each has its own answer. */
  #sendRequest(upstream: Upstream, request: JSONRPCRequest): void {
    let { id } = request;
    while (this.#pending.has(id)) {
      this.#repeated += 1;
      id = `${REPEATED}/${this.#repeated}`;
    }
    this.#pending.set(id, request);
    this.#send(upstream, { ...request, id }, (reason) => {
      if (this.#pending.get(id) !== request) return;
      this.#settle(id);
      this.#refuse(request.id, reason);
    });
  }

  /** Of two requests with one id neither is cancelled: the answer of the other one would be lost. */
  #cancel(upstream: Upstream, message: JSONRPCMessage, cancelled: RequestId): void {
    const [match, another] = [...this.#pending].filter(([, { id }]) => id === cancelled);
    if (!match || another) return;
    const [requestId] = match;
    this.#settle(requestId);
    const params = 'params' in message ? { ...message.params, requestId } : { requestId };
    this.#send(upstream, { jsonrpc: '2.0', method: 'notifications/cancelled', params });
  }

  #send(upstream: Upstream, message: JSONRPCMessage, refused?: (reason: string) => void): void {
    upstream.send(message).catch((thrown: unknown) => {
      this.#logger.debug({ err: messageOf(thrown) }, 'the bridge refused a message');
      refused?.(messageOf(thrown));
    });
  }

  #fromServer(message: JSONRPCMessage): void {
    if (isAnswer(message)) {
      this.#answer(message);
      return;
    }
    const cancelled = CancelledNotificationSchema.safeParse(message).data?.params.requestId;
    if (isJSONRPCRequest(message)) this.#asked.add(message.id);
    else if (cancelled !== undefined) this.#asked.delete(cancelled);
    this.#sendToClient(message);
  }

  #answer(message: JSONRPCResponse): void {
    const request = message.id === undefined ? undefined : this.#pending.get(message.id);
    if (message.id === undefined || !request) return;
    if (request === this.#initialize) this.#upstream?.useProtocolOf(message);
    this.#sendToClient({ ...message, id: request.id });
    this.#settle(message.id);
  }

  #settle(id: RequestId): void {
    this.#pending.delete(id);
    if (this.#pending.size === 0) for (const resolve of this.#onAllAnswered.splice(0)) resolve();
  }

  async #allAnswered(): Promise<void> {
    if (this.#pending.size > 0) await new Promise<void>((resolve) => this.#onAllAnswered.push(resolve));
  }

  async #replayHandshake(upstream: Upstream): Promise<void> {
    const initialize = this.#initialize;
    // One that is not sent yet is forwarded as it is.
    if (!initialize || this.#unsent.includes(initialize)) return;
    upstream.useProtocolOf(await upstream.request({ ...initialize, id: `${REPLAY}/initialize` }));
    if (this.#initialized && !this.#unsent.includes(this.#initialized))
      await upstream.send(this.#initialized);
    for (const agent_id of this.#agents) {
      const params = { name: 'list_tasks', arguments: { agent_id, limit: 1 } };
      await upstream.request({ jsonrpc: '2.0', id: `${REPLAY}/${agent_id}`, method: 'tools/call', params });
    }
    // One that the server refuses was refused before, or its task is gone.
    for (const [index, uri] of [...this.#subscriptions].entries()) {
      const id = `${REPLAY}/subscription/${index}`;
      await upstream.request({ jsonrpc: '2.0', id, method: 'resources/subscribe', params: { uri } });
    }
  }

  #refuse(id: RequestId, message: string): void {
    this.#sendToClient({ jsonrpc: '2.0', id, error: { code: REFUSED, message } });
  }

  #sendToClient(message: JSONRPCMessage): void {
    this.#client.send(message).catch((thrown: unknown) => {
      this.#logger.debug({ err: messageOf(thrown) }, 'a message did not reach the client');
    });
  }
}

async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  await Promise.race([work, sleep(limitMs, undefined, { ref: false })]);
}

function isAnswer(message: JSONRPCMessage): message is JSONRPCResponse {
  return isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message);
}
