import type { RequestHandler } from 'express';
import { routeOf } from '../route-of.ts';
import type { MetricsSource } from './metrics-endpoint.ts';

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
