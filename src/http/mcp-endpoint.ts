import { isInitializeRequest, isJSONRPCRequest } from '@modelcontextprotocol/sdk/types.js';
import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from '../logger.ts';
import { RESUME_HEADER, RESUME_NEVER } from '../mcp/connection.ts';
import { END_REASONS, McpSession } from '../mcp/session.ts';
import type { ToolServices } from '../mcp/tool.ts';
import type { McpSessionStore } from '../store/mcp-session-store.ts';
import { identityOf } from './access.ts';
import { acceptsStream, negotiateFormat } from './content-negotiation.ts';
import { HttpConnection } from './http-connection.ts';
import * as refusal from './refusals.ts';
import { ResumableStreams, type ResumeLimits } from './resumable-streams.ts';
import { messagesOf, RPC, repeatedId, requestOf, rpcErrorsOf } from './rpc.ts';
import { sendSdkResponse } from './sdk-response.ts';
import { ServerSentEvents } from './server-sent-events.ts';
import { SessionRecords } from './session-records.ts';
import { type Session, type SessionLimits, Sessions } from './sessions.ts';
import { lastEventIdOf, positionOf } from './stream-events.ts';
import { StreamLimit } from './stream-limit.ts';

export interface McpEndpointOptions {
  services: ToolServices;
  logger: Logger;
  sessions?: SessionLimits;
  resume?: ResumeLimits;
  /** Where sessions are kept over restarts; absent: nowhere. */
  sessionStore?: McpSessionStore | undefined;
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'DELETE']);

/** The answer to calls that a client cannot resume any more. */
const LOST = {
  code: RPC.refused,
  message:
    'The connection was lost, and this call cannot be resumed: the bridge was restarted, or waited too long for its client. Tasks are kept: call again, with the same idempotency_key where there was one.',
};

/** Streamable HTTP: each session has its own server object, so that any number of clients can connect. */
export class McpEndpoint {
  readonly #sessions: Sessions;
  readonly #streams: ResumableStreams;
  readonly #resumed = new StreamLimit();
  #closing = false;

  constructor(options: McpEndpointOptions) {
    this.#streams = new ResumableStreams(options.resume);
    const { services, logger, sessions: limits, sessionStore } = options;
    this.#sessions = new Sessions({
      limits,
      open: (caller) => McpSession.open(services, logger, caller),
      records: sessionStore && new SessionRecords(sessionStore, logger),
    });
  }

  readonly handle: RequestHandler = async (req, res) => {
    if (!METHODS.has(req.method)) return refusal.refuseMethod(req, res);
    if (this.#closing) return refusal.refuseStopping(req, res);
    // A client may start again and still send the id of a session that is gone: the id is ignored.
    if (req.method === 'POST' && messagesOf(req.body).some(isInitializing)) return this.#begin(req, res);
    const id = req.headers['mcp-session-id'];
    if (typeof id !== 'string') return refusal.refuseWithoutSession(req, res);
    const session = await this.#sessions.find(id, identityOf(req)?.credential);
    if (!session) return refusal.refuseSession(req, res, id);
    if (req.method === 'POST') return this.#call(session, req, res);
    const lastEventId = req.headers['last-event-id'];
    if (req.method === 'GET' && lastEventId) return this.#resume(session, String(lastEventId), req, res);
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
    this.#streams.close();
  }

  async #begin(req: Request, res: Response): Promise<void> {
    const initialize = messagesOf(req.body).find((message) => isInitializeRequest(message));
    if (!initialize) return refusal.refuseInitialize(req, res);
    const session = await this.#sessions.begin(identityOf(req)?.credential);
    let started = false;
    const onBegin = (): void => {
      started = true;
      this.#sessions.add(session, initialize.params);
    };
    await this.#call(session, req, res, onBegin);
    if (!started) await session.mcp.end(END_REASONS.client);
  }

  async #call(session: Session, req: Request, res: Response, onBegin?: () => void): Promise<void> {
    const requests = messagesOf(req.body).filter((message) => isJSONRPCRequest(message));
    const format = negotiateFormat(req) ?? (requests.length > 0 ? undefined : 'json');
    if (!format) return refusal.refuseForm(req, res);
    const repeated = repeatedId(req.body);
    if (repeated !== undefined) return refusal.refuseRepeatedId(req, res, repeated);
    const connection = new HttpConnection(session.mcp.transport, session.id, format, {
      // The answer to initialize cannot be resumed: the session's id comes with it.
      requests: onBegin || neverResumes(req) ? [] : requests.map(({ id }) => id),
      onBegin,
    });
    await this.#serve(session, connection, req, res);
  }

  async #listen(session: Session, req: Request, res: Response): Promise<void> {
    if (!acceptsStream(req)) return refusal.refuseForm(req, res);
    const { transport } = session.mcp;
    const connection = new HttpConnection(transport, session.id, 'stream');
    if (!transport.listen(connection)) return refusal.refuseSecondStream(req, res);
    await this.#serve(session, connection, req, res);
  }

  /** Gives a client whose line was cut what it has missed, and then what is still to come. */
  async #resume(session: Session, lastEventId: string, req: Request, res: Response): Promise<void> {
    if (!acceptsStream(req)) return refusal.refuseForm(req, res);
    const position = positionOf(lastEventId);
    if (!position) return refusal.refuseEventId(req, res, lastEventId);
    const events = this.#streams.find(session.id, position);
    const isOver = events ? events.isEnded && !events.hasAfter(position) : position.requests.length === 0;
    // Clients of the SDK come back after an error too, although it is the answer.
    if (isOver) return void res.status(204).end();
    res.set('Mcp-Session-Id', session.id);
    const stream = new ServerSentEvents(res, this.#resumed);
    this.#sessions.streamOpened(session);
    res.once('close', () => this.#sessions.streamClosed(session));
    if (events) return this.#streams.resume(position, res, stream);
    for (const answer of rpcErrorsOf(position.requests, LOST)) {
      stream.send({ id: lastEventIdOf(position), json: JSON.stringify(answer) });
    }
    stream.end();
  }

  async #end(session: Session, req: Request, res: Response): Promise<void> {
    const connection = new HttpConnection(session.mcp.transport, session.id, 'json');
    const response = await connection.request(req, undefined);
    if (response.ok) await this.#sessions.end(session, END_REASONS.client);
    await sendSdkResponse(req, res, response);
  }

  /** Passes the request to the session. When the client is gone for good, its calls are aborted. */
  async #serve(session: Session, connection: HttpConnection, req: Request, res: Response): Promise<void> {
    const { transport } = session.mcp;
    this.#sessions.streamOpened(session);
    res.once('close', () => this.#sessions.streamClosed(session));
    const abandon = (): void => {
      transport.disconnect(connection);
      void connection.close();
    };
    if (connection.events) this.#streams.add(session.id, connection.events, res, abandon);
    else res.once('close', abandon);
    const response = await transport.deliver(connection, () => connection.request(req, identityOf(req)));
    await sendSdkResponse(req, res, response);
  }
}

function neverResumes({ headers }: Request): boolean {
  return headers[RESUME_HEADER] === RESUME_NEVER;
}

function isInitializing(message: unknown): boolean {
  return requestOf(message)?.method === 'initialize';
}
