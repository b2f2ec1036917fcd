import type { Request, RequestHandler } from 'express';
import { sendError } from './errors.ts';
import { addressOf, RateLimit, rateLimited } from './rate-limit.ts';
import { authenticated } from './security.ts';

/**
 * Bounds what one token, or one address where there are no tokens, may ask in a minute: a request counts before
 * its body is read, and each further message of a batch after that. 0: no bound.
 */
export function throttle(perMinute: number): { requests: RequestHandler; batches: RequestHandler } {
  const limit = new RateLimit(perMinute);
  const counting = (costOf: (req: Request) => number): RequestHandler => {
    if (perMinute === 0) return (_req, _res, next) => next();
    return (req, res, next) => {
      const { credential } = authenticated(req);
      // More than the bucket ever holds would wait for ever.
      const cost = Math.min(perMinute, costOf(req));
      const seconds = limit.take(credential ?? addressOf(req), cost);
      if (seconds === undefined) return next();
      const whose = credential === undefined ? `from ${addressOf(req)}` : 'with this token';
      const message = `More than ${perMinute} requests a minute came ${whose} (MCP_RATE_LIMIT).`;
      sendError(req, res, rateLimited(message, seconds));
    };
  };
  return {
    requests: counting(() => 1),
    batches: counting(({ body }) => (Array.isArray(body) ? Math.max(0, body.length - 1) : 0)),
  };
}
