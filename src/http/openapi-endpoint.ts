import { createHash } from 'node:crypto';
import compression from 'compression';
import { type RequestHandler, Router } from 'express';
import { BridgeError, quote } from '../errors.ts';
import { sendError } from './errors.ts';
import { openApiDocument } from './openapi.ts';
import type { Route } from './route.ts';

const PATH = '/openapi.json';
const ALLOWED = 'GET, HEAD, OPTIONS';

/**
 * `/openapi.json`. It needs no token: it has nothing that the documentation has not, and tools that generate clients
 * send none. The document is made once, for the first that asks.
 */
export function openApiRoutes(routes: readonly Route[], limit: RequestHandler): Router {
  let made: { text: string; etag: string } | undefined;
  const router = Router();
  router.use(PATH, limit, compression());
  router.get(PATH, (req, res) => {
    made ??= serialize(routes);
    res.set({ ETag: made.etag, 'Cache-Control': 'no-cache' });
    if (req.fresh) res.status(304).end();
    else res.type('application/json').send(made.text);
  });
  router.all(PATH, (req, res) => {
    res.set('Allow', ALLOWED);
    if (req.method === 'OPTIONS') return void res.status(204).end();
    const message = `${req.method} is not allowed on ${quote(req.path)}.`;
    sendError(req, res, new BridgeError('INVALID_INPUT', message, { next: `Use ${ALLOWED}.` }), {
      status: 405,
    });
  });
  return router;
}

function serialize(routes: readonly Route[]): { text: string; etag: string } {
  const text = JSON.stringify(openApiDocument(routes));
  return { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 27)}"` };
}
