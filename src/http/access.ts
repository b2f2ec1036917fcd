import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { sendError } from './errors.ts';
import type { Authenticate } from './guards/bearer.ts';
import type { Guard, Refusal } from './guards/guard.ts';
import type { Guards } from './guards/guards.ts';
import type { Identity } from './guards/token-check.ts';
import { readRequestId } from './read-request-id.ts';

export function checkHost({ host }: Guards): RequestHandler {
  return middleware(host);
}

/** Also answers preflight requests, and lets pages of allowed origins read the responses (CORS). */
export function checkOrigin(guards: Guards): RequestHandler {
  const check = middleware(guards.origin);
  return (req, res, next) =>
    check(req, res, () => {
      const { origin } = req.headers;
      if (origin === undefined) return next();
      allowPage(req, res, origin);
      if (req.method === 'OPTIONS') res.status(204).end();
      else next();
    });
}

/** Lets only those in whose identity the guard knows; `identityOf` then says who it is. */
export function authenticate(guard: Authenticate): RequestHandler {
  return (req, res, next) => {
    const { identity, refusal } = guard(req);
    if (identity) identities.set(req, identity);
    if (!refusal) next();
    else if (refusal.error.code !== 'UNAUTHORIZED') refuse(req, res, refusal);
    else readRequestId(req, res, () => refuse(req, res, refusal));
  };
}

/** Who sent a request; undefined where no tokens are configured. */
export function identityOf(req: Request): Identity | undefined {
  return identities.get(req);
}

const identities = new WeakMap<Request, Identity>();

export function refuseTaskCommands({ taskCommands }: Guards): RequestHandler {
  return async (req, res, next) => proceed(req, res, next, await taskCommands(req.socket));
}

/** A request counts before its body is read, each further message of a batch after that. */
export function limitRate({
  rate,
  polls,
}: Guards): Record<'requests' | 'messages' | 'batches', RequestHandler> {
  // The header need not be true: it only says which of two buckets pays.
  const bucketOf = ({ headers }: Request) => (headers['mcp-method'] === 'tasks/get' ? polls : rate);
  const batchCost = (body: unknown): number => (Array.isArray(body) ? Math.max(0, body.length - 1) : 0);
  return {
    requests: (req, res, next) => proceed(req, res, next, rate(req, identityOf(req))),
    messages: (req, res, next) => proceed(req, res, next, bucketOf(req)(req, identityOf(req))),
    batches: (req, res, next) => proceed(req, res, next, rate(req, identityOf(req), batchCost(req.body))),
  };
}

function middleware(guard: Guard): RequestHandler {
  return (req, res, next) => proceed(req, res, next, guard(req));
}

function proceed(req: Request, res: Response, next: NextFunction, refusal: Refusal | undefined): void {
  if (refusal) refuse(req, res, refusal);
  else next();
}

export function refuse(req: Request, res: Response, { error, headers = {} }: Refusal): void {
  res.set(headers);
  sendError(req, res, error);
}

const EXPOSED =
  'Accept-Ranges, Content-Disposition, Content-Range, ETag, Location, Mcp-Session-Id, Retry-After';

function allowPage(req: Request, res: Response, origin: string): void {
  res.set({ 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': EXPOSED });
  res.vary('Origin');
  if (req.method !== 'OPTIONS') return;
  res.set({
    'Access-Control-Allow-Methods': 'GET, POST, DELETE',
    'Access-Control-Allow-Headers':
      'Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id, Range, X-Agent-Id',
  });
}
