import type { Request, RequestHandler } from 'express';
import type { MetricsSource } from './metrics-endpoint.ts';

/** Paths that are no routes of express, by their first segment. */
const NONE = 'none';
/** Methods that are counted by name: a client can invent others. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS'];

/** Reports each response when it has ended, or when its client is gone. */
export function observeRequests({ request }: Pick<MetricsSource, 'request'>): RequestHandler {
  return (req, res, next) => {
    const began = performance.now();
    res.once('close', () => {
      const method = METHODS.includes(req.method) ? req.method : 'other';
      request(method, routeOf(req), res.statusCode, performance.now() - began);
    });
    next();
  };
}

/** The route as it is written, such as `/tasks/:task_id`: a path has ids and names of files in it. */
function routeOf({ route }: Request): string {
  const path: unknown = route?.path;
  return typeof path === 'string' ? path : NONE;
}
