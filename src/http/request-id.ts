import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import type { Logger } from '../logger.ts';
import { routeOf } from './route-of.ts';

/** Lower case, as Node has the names of headers. */
export const REQUEST_ID = 'x-request-id';
/** Nothing that could break a line of a log, or fill it. */
const ACCEPTED = /^[\w.:/+=@-]{1,128}$/;

/** The id of the request: what the caller sent, if it can be one, else a new one. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers[REQUEST_ID];
  return typeof given === 'string' && ACCEPTED.test(given) ? given : `req_${randomBytes(12).toString('hex')}`;
}

/**
 * Gives each request an id, which its response and its lines in the log have; what handles the request finds it in the
 * header. Writes one line for each response at debug: never a query, a body or a header, which have tokens and content.
 */
export function identifyRequests(logger: Logger): RequestHandler {
  return (req, res, next) => {
    const began = performance.now();
    const requestId = requestIdOf(req);
    req.headers[REQUEST_ID] = requestId;
    res.set('X-Request-Id', requestId);
    res.once('close', () => {
      const ms = Math.round(performance.now() - began);
      const { method } = req;
      logger.debug({ requestId, method, route: routeOf(req), status: res.statusCode, ms }, 'a request');
    });
    next();
  };
}
