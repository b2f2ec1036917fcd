import { isInitializeRequest, isJSONRPCRequest } from '@modelcontextprotocol/sdk/types.js';
import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from '../logger.ts';
import { END_REASONS, McpSession } from '../mcp/session.ts';
import type { ToolServices } from '../mcp/tool.ts';
import { identityOf } from './access.ts';
import { acceptsStream, negotiateFormat } from './content-negotiation.ts';
import { HttpConnection } from './http-connection.ts';
import * as refusal from './refusals.ts';
import { messagesOf, repeatedId, requestOf } from './rpc.ts';
import { sendSdkResponse } from './sdk-response.ts';
import { type Session, type SessionLimits, Sessions } from './sessions.ts';

export interface McpEndpointOptions {
  services: ToolServices;
  logger: Logger;
  sessions?: SessionLimits;
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'DELETE']);

/** Streamable HTTP: each session has its own server object, so that any number of clients can connect. */
export class McpEndpoint {
  readonly #options: McpEndpointOptions;
  readonly #sessions: Sessions;
  #closing = false;

  constructor(options: McpEndpointOptions) {
    this.#options = options;
    this.#sessions = new Sessions(options.sessions);
  }

  readonly handle: RequestHandler = async (req, res) => {
    if (!METHODS.has(req.method)) return refusal.refuseMethod(req, res);
    if (this.#closing) return refusal.refuseStopping(req, res);
    // A client may start again and still send the id of a session that is gone: the id is ignored.
    if (req.method === 'POST' && messagesOf(req.body).some(isInitializing)) return this.#begin(req, res);
    const id = req.headers['mcp-session-id'];
    if (typeof id !== 'string') return refusal.refuseWithoutSession(req, res);
    const session = this.#sessions.find(id, identityOf(req)?.credential);
    if (!session) return refusal.refuseSession(req, res, id);
    if (req.method === 'POST') return this.#call(session, req, res);
    if (req.method === 'GET') return this.#listen(session, req, res);
    return this.#end(session, req, res);
  };

  /** How many sessions are open. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Refuses new calls; waiting ones are answered before their sessions end. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#sessions.closeAll();
  }

  async #begin(req: Request, res: Response): Promise<void> {
    if (!messagesOf(req.body).some(isInitializeRequest)) return refusal.refuseInitialize(req, res);
    const { services, logger } = this.#options;
    const mcp = await McpSession.open(services, logger);
    const session = this.#sessions.create(mcp, identityOf(req)?.credential);
    let started = false;
    const onBegin = (): void => {
      started = true;
      this.#sessions.add(session);
    };
    await this.#call(session, req, res, onBegin);
    if (!started) await mcp.end(END_REASONS.client);
  }

  async #call(session: Session, req: Request, res: Response, onBegin?: () => void): Promise<void> {
    const asks = messagesOf(req.body).some(isJSONRPCRequest);
    const format = negotiateFormat(req) ?? (asks ? undefined : 'json');
    if (!format) return refusal.refuseForm(req, res);
    const repeated = repeatedId(req.body);
    if (repeated !== undefined) return refusal.refuseRepeatedId(req, res, repeated);
    await this.#serve(
      session,
      new HttpConnection(session.mcp.transport, session.id, format, onBegin),
      req,
      res,
    );
  }

  async #listen(session: Session, req: Request, res: Response): Promise<void> {
    if (!acceptsStream(req)) return refusal.refuseForm(req, res);
    const { transport } = session.mcp;
    const connection = new HttpConnection(transport, session.id, 'stream');
    if (!transport.listen(connection)) return refusal.refuseSecondStream(req, res);
    await this.#serve(session, connection, req, res);
  }

  async #end(session: Session, req: Request, res: Response): Promise<void> {
    const connection = new HttpConnection(session.mcp.transport, session.id, 'json');
    const response = await connection.request(req, undefined);
    if (response.ok) await this.#sessions.end(session, END_REASONS.client);
    await sendSdkResponse(req, res, response);
  }

  /** Passes the request to the session. When the client disconnects, its calls are aborted. */
  async #serve(session: Session, connection: HttpConnection, req: Request, res: Response): Promise<void> {
    const { transport } = session.mcp;
    this.#sessions.streamOpened(session);
    res.once('close', () => {
      this.#sessions.streamClosed(session);
      transport.disconnect(connection);
      void connection.close();
    });
    const response = await transport.deliver(connection, () => connection.request(req, identityOf(req)));
    await sendSdkResponse(req, res, response);
  }
}

function isInitializing(message: unknown): boolean {
  return requestOf(message)?.method === 'initialize';
}
