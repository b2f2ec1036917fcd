import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  CancelledNotificationSchema,
  isInitializeRequest,
  isJSONRPCRequest,
  type RequestId,
} from '@modelcontextprotocol/sdk/types.js';
import type { Request, RequestHandler, Response } from 'express';
import { BridgeError, messageOf, quote } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { createMcpServer } from '../mcp/server.ts';
import type { ToolServices } from '../mcp/tool.ts';
import { RPC, sendError } from './errors.ts';
import { authenticated } from './security.ts';
import { type Session, type SessionLimits, Sessions } from './sessions.ts';

export interface McpEndpointOptions {
  services: ToolServices;
  logger: Logger;
  maxBodyBytes: number;
  sessions?: SessionLimits;
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'DELETE']);

/** Streamable HTTP: a server object per session, so that any number of clients can be connected. */
export class McpEndpoint {
  readonly #options: McpEndpointOptions;
  readonly #sessions: Sessions;

  constructor(options: McpEndpointOptions) {
    this.#options = options;
    this.#sessions = new Sessions(options.sessions);
  }

  readonly handle: RequestHandler = async (req, res) => {
    const id = req.headers['mcp-session-id'];
    if (!METHODS.has(req.method)) return refuseMethod(req, res);
    if (typeof id === 'string') {
      const session = this.#sessions.find(id, authenticated(req).credential);
      return session ? this.#serve(session, req, res) : refuseSession(req, res, id);
    }
    if (req.method === 'POST' && messagesOf(req.body).some(isInitializeRequest)) return this.#begin(req, res);
    return refuseWithoutSession(req, res);
  };

  async close(): Promise<void> {
    await this.#sessions.closeAll();
  }

  async #begin(req: Request, res: Response): Promise<void> {
    const { maxBodyBytes } = this.#options;
    const session = await this.#sessions.open(
      this.#createServer(),
      authenticated(req).credential,
      maxBodyBytes,
    );
    await this.#serve(session, req, res);
    if (session.transport.sessionId === undefined) await session.server.close();
  }

  #createServer(): Server {
    const { services, logger } = this.#options;
    const server = createMcpServer(services, logger);
    server.onerror = (error) => logger.debug({ err: messageOf(error) }, 'an MCP session reports');
    return server;
  }

  /** Hands the request to the session's transport. A client that goes away no longer waits for its calls. */
  async #serve(session: Session, req: Request, res: Response): Promise<void> {
    const messages = messagesOf(req.body);
    const calls = messages.filter(isJSONRPCRequest).map(({ id }) => id);
    const [alone] = calls.length === 1 ? calls : [];
    if (alone !== undefined) session.calls.add(alone);
    this.#sessions.streamOpened(session);
    res.once('close', () => {
      this.#sessions.streamClosed(session);
      if (alone !== undefined) session.calls.delete(alone);
      if (!res.writableFinished) for (const call of calls) abandon(session, call);
    });
    const { auth } = authenticated(req);
    await session.transport.handleRequest(auth ? Object.assign(req, { auth }) : req, res, req.body);
    for (const id of messages.flatMap(cancelledCall)) endStream(session, id);
  }
}

function messagesOf(body: unknown): unknown[] {
  return Array.isArray(body) ? body : [body];
}

function cancelledCall(message: unknown): RequestId[] {
  const { data } = CancelledNotificationSchema.safeParse(message);
  return data?.params.requestId === undefined ? [] : [data.params.requestId];
}

/** A cancelled call gets no answer, which would leave its stream open for ever. */
function endStream({ transport, calls }: Session, id: RequestId): void {
  if (calls.has(id)) transport.closeSSEStream(id);
}

function abandon({ transport }: Session, requestId: RequestId): void {
  const params = { requestId, reason: 'the client is gone' };
  transport.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
}

function refuseMethod(req: Request, res: Response): void {
  res.set('Allow', [...METHODS].join(', '));
  const error = new BridgeError('INVALID_INPUT', `Method ${req.method} is not allowed on /mcp.`);
  sendError(req, res, error, { status: 405 });
}

function refuseSession(req: Request, res: Response, id: string): void {
  const next = 'Start a new session with initialize; tasks are kept.';
  const error = new BridgeError('NOT_FOUND', `Session not found: ${quote(id)}.`, { next });
  sendError(req, res, error, { rpcCode: RPC.sessionNotFound });
}

function refuseWithoutSession(req: Request, res: Response): void {
  const next = 'Start a session with initialize and send its Mcp-Session-Id.';
  const error = new BridgeError('INVALID_INPUT', 'Bad Request: the Mcp-Session-Id header is missing.', {
    next,
  });
  sendError(req, res, error);
}
