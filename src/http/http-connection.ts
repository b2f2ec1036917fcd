import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import type { TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';
import type { Request as HttpRequest } from 'express';
import type { Connection } from '../mcp/connection.ts';
import type { SessionTransport } from '../mcp/session-transport.ts';
import type { ResponseFormat } from './content-negotiation.ts';
import type { Identity } from './guards/token-check.ts';
import { REQUEST_ID, requestIdOf } from './request-id.ts';
import { RPC } from './rpc.ts';
import { StreamEvents } from './stream-events.ts';

/** When a client comes back after its line was cut. Clients of the SDK try twice, so a bridge that restarts has twice this time. */
const RETRY_MS = 2_000;

/** One HTTP request of a session: the SDK handles it, with a transport of its own, so that request ids cannot clash. */
export class HttpConnection implements Connection {
  readonly #transport: WebStandardStreamableHTTPServerTransport;
  readonly #format: ResponseFormat;
  /** What a client can resume; absent if the response is no stream, or carries no answer. */
  readonly events: StreamEvents | undefined;

  /** `onBegin`, for the first request of a session, is called once the client's `initialize` is accepted. */
  constructor(
    session: SessionTransport,
    sessionId: string,
    format: ResponseFormat,
    { requests = [], onBegin }: { requests?: readonly RequestId[]; onBegin?: (() => void) | undefined } = {},
  ) {
    this.#format = format;
    if (format === 'stream' && requests.length > 0) this.events = new StreamEvents(requests);
    this.#transport = new WebStandardStreamableHTTPServerTransport({
      enableJsonResponse: format === 'json',
      ...(this.events ? { eventStore: this.events, retryInterval: RETRY_MS } : {}),
      ...(onBegin ? { sessionIdGenerator: () => sessionId, onsessioninitialized: onBegin } : {}),
    });
    if (!onBegin) this.#transport.sessionId = sessionId;
    this.#transport.onmessage = (message, extra) => session.receive(this, message, extra);
  }

  /** The SDK's response; `send` then writes into its stream or body. */
  request(req: HttpRequest, identity: Identity | undefined): Promise<Response> {
    const headers = headersOf(req);
    // The endpoint has negotiated the format already.
    headers.set('accept', 'application/json, text/event-stream');
    const request = new Request('http://localhost/mcp', { method: req.method, headers });
    return this.#transport.handleRequest(request, {
      parsedBody: req.body,
      ...(identity ? { authInfo: authInfoOf(identity) } : {}),
    });
  }

  get carriesRequests(): boolean {
    return this.#format === 'stream';
  }

  send(message: JSONRPCMessage, { relatedRequestId }: TransportSendOptions = {}): Promise<void> {
    return this.#transport.send(message, relatedRequestId === undefined ? {} : { relatedRequestId });
  }

  /** A JSON body must hold an answer for each call, a cancelled one too. */
  cancelled(id: RequestId): void {
    if (this.#format === 'stream') return;
    const error = { code: RPC.refused, message: 'The call was cancelled.' };
    this.#transport.send({ jsonrpc: '2.0', id, error }).catch(() => undefined);
  }

  settled(): void {
    void this.close();
  }

  close(): Promise<void> {
    this.events?.end();
    return this.#transport.close();
  }
}

/** The headers of a request as the SDK takes them. */
export function headersOf(req: HttpRequest): Headers {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(req.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  // As it was accepted, and not as it was sent.
  headers.set(REQUEST_ID, requestIdOf(req));
  return headers;
}

/** What MCP's request handlers see of an identity; the token itself stays out. */
export function authInfoOf({ agentId }: Identity): AuthInfo {
  return { token: '<redacted>', clientId: agentId ?? 'any agent', scopes: [], extra: { agentId } };
}
