import type { Transport, TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CancelledNotificationSchema,
  isJSONRPCErrorResponse,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type MessageExtraInfo,
  type RequestId,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import type { Connection } from './connection.ts';
import { type Call, OpenCalls } from './open-calls.ts';
import { QuestionIds } from './question-ids.ts';

const REFUSED = -32_000;
/** Updates that are kept for a client that has no stream at the moment; as many as it can have subscriptions. */
const MAX_MISSED = 100;

const updateSchema = z.object({
  method: z.literal('notifications/resources/updated'),
  params: z.object({ uri: z.string() }),
});

/**
 * The transport of one session over any number of connections. A request's id need only be unique while it is open
 * on its own connection: the server gets a number of ours for each, and the answer goes back under the client's id.
 */
export class SessionTransport implements Transport {
  onclose?: Transport['onclose'];
  onerror?: Transport['onerror'];
  onmessage?: Transport['onmessage'];
  readonly #calls = new OpenCalls();
  readonly #questions = new QuestionIds();
  readonly #connections = new Set<Connection>();
  /** Receives messages that belong to no call. */
  #listener: Connection | undefined;
  /** What was updated while nothing received it, by URI. */
  readonly #missed = new Map<string, JSONRPCMessage>();
  /** Deliveries and answers that are between a connection and the server. */
  #inFlight = 0;
  readonly #waiting: (() => void)[] = [];

  get openCalls(): number {
    return this.#calls.size;
  }

  /** Whether the server can ask the client something while it serves that call. */
  carriesRequests(serverId: RequestId): boolean {
    const call = this.#calls.get(serverId);
    return call !== undefined && (call.connection.carriesRequests ?? true);
  }

  async start(): Promise<void> {}

  /** Accepts messages from a connection, which stays registered until `disconnect`. */
  async deliver<T>(connection: Connection, deliverMessages: () => Promise<T>): Promise<T> {
    this.#connections.add(connection);
    const delivered = await this.#track(deliverMessages);
    if (this.#listener === connection) await this.#sendMissed(connection);
    return delivered;
  }

  /** Sends messages that belong to no call there. False if another connection receives them already. */
  listen(connection: Connection): boolean {
    if (this.#listener) return false;
    this.#listener = connection;
    return true;
  }

  /** The client has closed this connection: its calls are aborted. */
  disconnect(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#listener === connection) this.#listener = undefined;
    for (const call of this.#calls.of(connection)) this.#abort(call, 'the client is gone');
    this.#resolveIdle();
  }

  /** Takes a message from a connection. */
  receive(connection: Connection, message: JSONRPCMessage, extra?: MessageExtraInfo): void {
    const cancelled = CancelledNotificationSchema.safeParse(message).data?.params;
    if (isJSONRPCRequest(message)) {
      const { serverId } = this.#calls.add(message.id, connection);
      this.onmessage?.({ ...message, id: serverId }, extra);
    } else if (cancelled) this.#cancel(cancelled.requestId, cancelled.reason);
    else {
      const known = this.#questions.fromClient(message);
      if (known) this.onmessage?.(known, extra);
    }
  }

  async send(given: JSONRPCMessage, options: TransportSendOptions = {}): Promise<void> {
    const message = this.#questions.toClient(given);
    const isAnswer = isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message);
    const serverId = isAnswer ? message.id : options.relatedRequestId;
    if (serverId === undefined) return this.#listener ? this.#listener.send(message) : this.#miss(message);
    const call = this.#calls.get(serverId);
    // The call was cancelled, or its client is gone.
    if (!call) return;
    const { id, connection } = call;
    if (!isAnswer) return connection.send(message, { ...options, relatedRequestId: id });
    this.#calls.delete(call);
    await this.#track(() => connection.send({ ...message, id })).finally(() => this.#settle(connection));
  }

  /** Resolves as soon as no call is open and every answer has been taken by its connection. */
  async idle(): Promise<void> {
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Ends all connections; calls that are still open get an error. */
  async close(): Promise<void> {
    const error = { code: REFUSED, message: 'The session ended before there was an answer. Tasks are kept.' };
    const refuse = ({ id, connection }: Call): Promise<void> =>
      connection.send({ jsonrpc: '2.0', id, error });
    await Promise.allSettled(this.#calls.drain().map(refuse));
    await Promise.allSettled([...this.#connections].map((connection) => connection.close()));
    this.#connections.clear();
    this.onclose?.();
  }

  /** The line may only be cut: a client that comes back learns what has changed meanwhile. All else is of the moment. */
  #miss(message: JSONRPCMessage): void {
    const uri = updateSchema.safeParse(message).data?.params.uri;
    if (uri !== undefined && this.#missed.size < MAX_MISSED) this.#missed.set(uri, message);
  }

  async #sendMissed(connection: Connection): Promise<void> {
    const missed = [...this.#missed.values()];
    this.#missed.clear();
    for (const message of missed) await connection.send(message);
  }

  /** Of two calls with one id neither is cancelled: the answer of the other one would be lost. */
  #cancel(id: RequestId | undefined, reason: string | undefined): void {
    const call = id === undefined ? undefined : this.#calls.findByClientId(id);
    if (!call) return;
    this.#abort(call, reason);
    this.#settle(call.connection);
    this.#resolveIdle();
  }

  #abort(call: Call, reason: string | undefined): void {
    this.#calls.delete(call);
    const params = { requestId: call.serverId, reason };
    this.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
    call.connection.cancelled?.(call.id);
  }

  #settle(connection: Connection): void {
    if (!this.#calls.has(connection)) connection.settled?.();
  }

  async #track<T>(work: () => Promise<T>): Promise<T> {
    this.#inFlight += 1;
    try {
      return await work();
    } finally {
      this.#inFlight -= 1;
      this.#resolveIdle();
    }
  }

  #isIdle(): boolean {
    return this.#calls.size === 0 && this.#inFlight === 0;
  }

  #resolveIdle(): void {
    if (this.#isIdle()) for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
