import type { Request as HttpRequest, Response as HttpResponse, RequestHandler } from 'express';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { ModernHandler } from '../mcp/modern/handler.ts';
import type { ModernTools } from '../mcp/modern/server.ts';
import { REVISION_KEY } from '../mcp/modern-request.ts';
import { END_REASONS } from '../mcp/session.ts';
import type { ToolServices } from '../mcp/tool.ts';
import { identityOf } from './access.ts';
import { negotiateFormat } from './content-negotiation.ts';
import { authInfoOf, headersOf } from './http-connection.ts';
import { prepareBodyParser } from './prepare-body-parser.ts';
import { refuseForm, refuseStopping } from './refusals.ts';
import { messagesOf } from './rpc.ts';
import { sendSdkResponse } from './sdk-response.ts';

export interface ModernEndpointOptions {
  services: ToolServices;
  logger: Logger;
  /** What is served without a session; absent: the same as in one. */
  modernTools?: ModernTools;
  /** The secret of states that clients send back; absent: a new one. */
  stateKey?: Uint8Array | undefined;
}

/** The first revision without sessions; revisions are dates, so text order is their order. */
const FIRST = '2026-07-28';
/** Waiting calls answer at once; this is for calls that do work. */
const END_LIMIT_MS = 3_000;
const CLOSED = 499;
/** Long enough after the start that the first probes are answered without waiting for it. */
const PRELOAD_AFTER_MS = 250;
const ACCEPT = { json: 'application/json', stream: 'application/json, text/event-stream' } as const;

/** Takes the requests of MCP 2026-07-28 and later, and leaves those of sessions to the next handler. */
export class ModernEndpoint {
  readonly #options: ModernEndpointOptions;
  readonly #open = new Set<Promise<void>>();
  /** Loaded after the start, or at the first request that needs it: its SDK takes time. */
  #handler: Promise<ModernHandler> | undefined;
  #preload: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(options: ModernEndpointOptions) {
    this.#options = options;
  }

  readonly handle: RequestHandler = async (req, res, next) => {
    if (!mayBeModern(req)) return next();
    const gone = new AbortController();
    res.once('close', () => {
      // After a whole answer nothing is left to abort.
      if (!res.writableFinished) gone.abort();
    });
    const format = negotiateFormat(req);
    const headers = headersOf(req);
    if (format) headers.set('accept', ACCEPT[format]);
    const request = new Request('http://localhost/mcp', { method: req.method, headers, signal: gone.signal });
    const handler = await this.#load();
    if (!isModern(req) && !handler.takes(request, req.body)) return next();
    if (this.#closing) return refuseStopping(req, res);
    if (!format) return refuseForm(req, res);
    const answered = this.#answer(handler, request, req, res).finally(() => this.#open.delete(answered));
    this.#open.add(answered);
    await answered;
  };

  /** Loads and tries out soon what the first client would have to wait for. */
  preload(): void {
    const prepare = async (): Promise<void> => {
      await (await this.#load()).prepare();
      await prepareBodyParser();
    };
    const report = (thrown: unknown): void => {
      if (this.#closing) return;
      this.#options.logger.error({ err: messageOf(thrown) }, 'MCP 2026-07-28 could not be loaded');
    };
    this.#preload = setTimeout(() => void prepare().catch(report), PRELOAD_AFTER_MS).unref();
  }

  /** Refuses new calls; waiting ones are answered. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#preload);
    // One that could not be loaded has nothing to end.
    const handler = await this.#handler?.catch(() => undefined);
    handler?.end(END_REASONS.stop);
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, END_LIMIT_MS);
    await Promise.race([Promise.allSettled(this.#open), limit.promise]);
    clearTimeout(timer);
    await handler?.close();
  }

  async #answer(
    handler: ModernHandler,
    request: Request,
    req: HttpRequest,
    res: HttpResponse,
  ): Promise<void> {
    const identity = identityOf(req);
    const authInfo = identity ? { authInfo: authInfoOf(identity) } : {};
    const { credential } = identity ?? {};
    const response = await handler.answer({ request, body: req.body, credential, ...authInfo });
    if (res.closed) return;
    if (response.status === CLOSED) refuseStopping(req, res);
    else await sendSdkResponse(req, res, response);
  }

  #load(): Promise<ModernHandler> {
    const { services, logger, modernTools, stateKey } = this.#options;
    this.#handler ??= import('../mcp/modern/handler.ts').then(
      ({ ModernHandler }) => new ModernHandler(services, logger, modernTools, stateKey),
    );
    return this.#handler;
  }
}

/** Whether a request names a revision without sessions, or any revision in a message, as only those do. */
function mayBeModern(req: HttpRequest): boolean {
  if (req.method !== 'POST') return false;
  return namesModern(req) || messagesOf(req.body).some(namesRevision);
}

/** Whether it belongs here without a closer look, as most do: a batch or a response of a session may name the revision too. */
function isModern(req: HttpRequest): boolean {
  return namesModern(req) && isRecord(req.body) && typeof req.body.method === 'string';
}

function namesModern({ headers }: HttpRequest): boolean {
  const version = headers['mcp-protocol-version'];
  return typeof version === 'string' && version.trim() >= FIRST;
}

/** By hand: it is asked of each message of every session, and a schema that refuses costs more than the answer. */
function namesRevision(message: unknown): boolean {
  const params = isRecord(message) ? message.params : undefined;
  const meta = isRecord(params) ? params._meta : undefined;
  return isRecord(meta) && REVISION_KEY in meta;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
