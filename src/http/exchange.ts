import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import type { TransportSendOptions } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';
import type { Request as HttpRequest } from 'express';
import type { Connection } from '../mcp/connection.ts';
import type { SessionTransport } from '../mcp/session-transport.ts';
import type { Form } from './accept.ts';
import { RPC } from './rpc.ts';

/** One HTTP request of a session: by the SDK's rules, with a transport for it alone, so that its ids are its own. */
export class Exchange implements Connection {
  readonly #transport: WebStandardStreamableHTTPServerTransport;
  readonly #form: Form;

  /** With `begins`, the session is told of as soon as the client's `initialize` is taken. */
  constructor(session: SessionTransport, sessionId: string, form: Form, begins?: () => void) {
    this.#form = form;
    this.#transport = new WebStandardStreamableHTTPServerTransport({
      enableJsonResponse: form === 'json',
      ...(begins ? { sessionIdGenerator: () => sessionId, onsessioninitialized: begins } : {}),
    });
    if (!begins) this.#transport.sessionId = sessionId;
    this.#transport.onmessage = (message, extra) => session.receive(this, message, extra);
  }

  /** What the SDK answers; a stream or the body of a call is written by what is sent here. */
  request(req: HttpRequest, authInfo: AuthInfo | undefined): Promise<Response> {
    const headers = new Headers();
    for (const [name, values = []] of Object.entries(req.headersDistinct)) {
      for (const value of values) headers.append(name, value);
    }
    // What the client accepts was looked at before.
    headers.set('accept', 'application/json, text/event-stream');
    const request = new Request('http://localhost/mcp', { method: req.method, headers });
    return this.#transport.handleRequest(request, {
      parsedBody: req.body,
      ...(authInfo ? { authInfo } : {}),
    });
  }

  send(message: JSONRPCMessage, { relatedRequestId }: TransportSendOptions = {}): Promise<void> {
    return this.#transport.send(message, relatedRequestId === undefined ? {} : { relatedRequestId });
  }

  /** One body has to hold something for each call. */
  cancelled(id: RequestId): void {
    if (this.#form === 'stream') return;
    const error = { code: RPC.refused, message: 'The call was cancelled.' };
    this.#transport.send({ jsonrpc: '2.0', id, error }).catch(() => undefined);
  }

  settled(): void {
    void this.close();
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}
