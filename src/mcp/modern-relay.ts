import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CancelledNotificationSchema,
  isJSONRPCErrorResponse,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
} from '@modelcontextprotocol/sdk/types.js';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { isModern, type ModernMessage, type ModernTarget, messagesOf, postModern } from './modern-request.ts';

const REFUSED = -32_000;
/** Statuses of a bridge that did not take the request: another token, or it stops. */
const NOT_TAKEN: readonly number[] = [401, 503];
/** How long an answer of a lost bridge may take to arrive. */
const LATE_MS = 500;

interface Open {
  message: ModernMessage;
  abort: AbortController;
  done: Promise<void>;
}

/**
 * Forwards the messages of one client that need no session: each request in an HTTP request of its own. The bridge can
 * be replaced: what it did not take, and what only reads, goes to the next one.
 */
export class ModernRelay {
  readonly #client: Transport;
  readonly #logger: Logger;
  readonly #open = new Set<Open>();
  #waiting: ModernMessage[] = [];
  #target: { address: ModernTarget; lost: (reason: string) => void } | undefined;

  constructor(client: Transport, logger: Logger) {
    this.#client = client;
    this.#logger = logger;
  }

  /** Accepts a message if it is for here; false: it is for the session. */
  receive(message: JSONRPCMessage): boolean {
    const cancelled = CancelledNotificationSchema.safeParse(message).data?.params.requestId;
    if (cancelled !== undefined && this.#cancel(cancelled)) return true;
    if (!isModern(message)) return false;
    this.#send(message);
    return true;
  }

  /** From now on requests go there; the promise resolves with the reason once it cannot be reached. */
  connect(address: ModernTarget): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#target = { address, lost: resolve };
    for (const message of this.#waiting.splice(0)) this.#send(message);
    return promise;
  }

  /** The bridge is lost. Its answers may still be on their way; then the rest waits for the next one, or is refused. */
  interrupt(): void {
    this.#target = undefined;
    for (const { abort } of this.#open) {
      setTimeout(() => abort.abort(new Error('it was lost')), LATE_MS).unref();
    }
  }

  /** Resolves when each request has its answer; a subscription is never answered. */
  async drain(): Promise<void> {
    const calls = [...this.#open].filter(({ message }) => message.method !== 'subscriptions/listen');
    await Promise.all(calls.map(({ done }) => done));
  }

  /** Rejects all requests; there will be no other bridge. */
  rejectAll(text: string): void {
    for (const message of this.#waiting.splice(0)) this.#refuse(message, text);
    for (const open of [...this.#open]) {
      this.#open.delete(open);
      open.abort.abort();
      this.#refuse(open.message, text);
    }
  }

  #send(message: ModernMessage): void {
    const target = this.#target;
    if (!target) return void this.#waiting.push(message);
    const open: Open = { message, abort: new AbortController(), done: Promise.resolve() };
    this.#open.add(open);
    open.done = this.#exchange(open, target.address).catch((thrown: unknown) => {
      // Cancelled, or interrupted: it is settled.
      if (!this.#open.delete(open)) return;
      const reason = reasonOf(thrown);
      if (this.#target === target) this.#target = undefined;
      if (thrown instanceof NotTaken) this.#send(message);
      else this.#giveUp(message, `The bridge that served this call is gone (${reason}). Tasks are kept.`);
      target.lost(reason);
    });
  }

  async #exchange(open: Open, address: ModernTarget): Promise<void> {
    const { message, abort } = open;
    const response = await postModern(address, message, abort.signal).catch((thrown: unknown) => {
      throw isRefusedConnection(thrown) ? new NotTaken(reasonOf(thrown)) : thrown;
    });
    if (NOT_TAKEN.includes(response.status)) {
      await response.body?.cancel();
      throw new NotTaken(`status ${response.status}`);
    }
    let answered = !isJSONRPCRequest(message);
    for await (const answer of messagesOf(response)) {
      if (!this.#open.has(open)) return;
      const ends = isJSONRPCResultResponse(answer) || isJSONRPCErrorResponse(answer);
      // A refusal before the body was read has no id.
      if (ends && isJSONRPCRequest(message)) this.#sendToClient({ ...answer, id: message.id });
      else if (!ends) this.#sendToClient(answer);
      answered ||= ends;
    }
    if (!answered) throw new Error('the answer was cut off');
    this.#open.delete(open);
  }

  /** Of two requests with one id neither is cancelled: the answer of the other one would be lost. */
  #cancel(id: RequestId): boolean {
    const matches = [...this.#open].filter(({ message }) => isJSONRPCRequest(message) && message.id === id);
    const [open, another] = matches;
    const waiting = this.#waiting.filter((message) => !(isJSONRPCRequest(message) && message.id === id));
    const wasWaiting = waiting.length < this.#waiting.length;
    this.#waiting = waiting;
    if (open && !another && this.#open.delete(open)) open.abort.abort();
    return open !== undefined || wasWaiting;
  }

  #giveUp(message: ModernMessage, text: string): void {
    // A call may have been executed; all other methods can be repeated.
    if (message.method === 'tools/call') this.#refuse(message, text);
    else this.#send(message);
  }

  #refuse(message: ModernMessage, text: string): void {
    if (isJSONRPCRequest(message))
      this.#sendToClient({ jsonrpc: '2.0', id: message.id, error: { code: REFUSED, message: text } });
  }

  #sendToClient(message: JSONRPCMessage): void {
    this.#client.send(message).catch((thrown: unknown) => {
      this.#logger.debug({ err: messageOf(thrown) }, 'a message did not reach the client');
    });
  }
}

/** The bridge did nothing with a request. */
class NotTaken extends Error {}

function isRefusedConnection(thrown: unknown): boolean {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED';
}

function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  return messageOf(cause);
}
