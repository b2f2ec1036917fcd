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

/** One way by which a client reaches its session: one HTTP request, or a pipe for everything. */
export interface Connection {
  send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void>;
  close(): Promise<void>;
  /** The client took back a call that came in here: it gets no answer. */
  cancelled?(id: RequestId): void;
  /** Every call that came in here is answered or taken back. */
  settled?(): void;
}

interface Call {
  /** As the client knows it. */
  readonly id: RequestId;
  readonly connection: Connection;
}

/**
 * The transport of one session over any number of connections. A request's id need only be unique while it is open
 * on its own connection: the server gets a number of ours for each, and the answer goes back under the client's id.
 */
export class SessionTransport implements Transport {
  onclose?: Transport['onclose'];
  onerror?: Transport['onerror'];
  onmessage?: Transport['onmessage'];
  readonly #calls = new Map<RequestId, Call>();
  readonly #connections = new Set<Connection>();
  /** Where messages go that belong to no call. */
  #listener: Connection | undefined;
  #requests = 0;
  /** Deliveries and answers that are on their way between a connection and the server. */
  #moving = 0;
  readonly #waiting: (() => void)[] = [];

  get openCalls(): number {
    return this.#calls.size;
  }

  async start(): Promise<void> {}

  /** Lets a connection bring in its messages; it is known until `disconnect`. */
  async deliver<T>(connection: Connection, bringIn: () => Promise<T>): Promise<T> {
    this.#connections.add(connection);
    return this.#move(bringIn);
  }

  /** Has messages that belong to no call sent there. False where there is such a connection already. */
  listen(connection: Connection): boolean {
    if (this.#listener) return false;
    this.#listener = connection;
    return true;
  }

  /** Nobody waits at this connection any more: its calls are aborted. */
  disconnect(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#listener === connection) this.#listener = undefined;
    for (const [own, call] of this.#calls) {
      if (call.connection === connection) this.#abort(own, 'the client is gone');
    }
    this.#tellIdle();
  }

  /** Takes a message from a connection. */
  receive(connection: Connection, message: JSONRPCMessage, extra?: MessageExtraInfo): void {
    const cancelled = CancelledNotificationSchema.safeParse(message).data?.params;
    if (isJSONRPCRequest(message)) {
      this.#requests += 1;
      this.#calls.set(this.#requests, { id: message.id, connection });
      this.onmessage?.({ ...message, id: this.#requests }, extra);
    } else if (cancelled) this.#cancel(cancelled.requestId, cancelled.reason);
    else this.onmessage?.(message, extra);
  }

  async send(message: JSONRPCMessage, options: TransportSendOptions = {}): Promise<void> {
    const isAnswer = isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message);
    const own = isAnswer ? message.id : options.relatedRequestId;
    if (own === undefined) return this.#listener?.send(message);
    const call = this.#calls.get(own);
    // Nobody waits for it any more.
    if (!call) return;
    const { id, connection } = call;
    if (!isAnswer) return connection.send(message, { ...options, relatedRequestId: id });
    this.#calls.delete(own);
    await this.#move(() => connection.send({ ...message, id })).finally(() => this.#settle(connection));
  }

  /** Resolves as soon as no call is open and every answer has been taken by its connection. */
  async idle(): Promise<void> {
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    this.#calls.clear();
    await Promise.allSettled([...this.#connections].map((connection) => connection.close()));
    this.#connections.clear();
    this.onclose?.();
  }

  /** Of two calls with one id none is taken back: the answer of the other one would be lost. */
  #cancel(id: RequestId | undefined, reason: string | undefined): void {
    const [meant, another] = [...this.#calls].filter(([, call]) => call.id === id);
    if (!meant || another) return;
    const [own, { connection }] = meant;
    this.#abort(own, reason);
    if (id !== undefined) connection.cancelled?.(id);
    this.#settle(connection);
    this.#tellIdle();
  }

  #abort(own: RequestId, reason: string | undefined): void {
    this.#calls.delete(own);
    const params = { requestId: own, reason };
    this.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
  }

  #settle(connection: Connection): void {
    for (const call of this.#calls.values()) if (call.connection === connection) return;
    connection.settled?.();
  }

  async #move<T>(carry: () => Promise<T>): Promise<T> {
    this.#moving += 1;
    try {
      return await carry();
    } finally {
      this.#moving -= 1;
      this.#tellIdle();
    }
  }

  #isIdle(): boolean {
    return this.#calls.size === 0 && this.#moving === 0;
  }

  #tellIdle(): void {
    if (this.#isIdle()) for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
