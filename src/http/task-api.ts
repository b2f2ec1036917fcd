import compression from 'compression';
import express, { type Request, type RequestHandler, type Response, Router } from 'express';
import type { ApiServices } from '../api/services.ts';
import { BridgeError, quote } from '../errors.ts';
import { identityOf } from './access.ts';
import { allRoutes } from './all-routes.ts';
import type { BrowserSessions } from './browser-session/browser-sessions.ts';
import { sendError } from './errors.ts';
import type { Guards } from './guards/guards.ts';
import type { ProviderAdmin } from './providers/provider-admin.ts';
import { RemovedTasks } from './removed-tasks.ts';
import type { Route } from './route.ts';
import type { StreamLimit } from './stream-limit.ts';
import type { Tickets } from './tickets.ts';

/** Bytes from which a response is compressed. */
const COMPRESSED_FROM = 1_024;
const METHODS = { get: 'GET, HEAD', post: 'POST', put: 'PUT', delete: 'DELETE' } as const;

export interface TaskApiOptions {
  services: ApiServices;
  guards: Guards;
  /** Absent: without the routes of sessions. */
  sessions: BrowserSessions | undefined;
  maxBodyBytes: number;
  tickets: Tickets;
  streams: StreamLimit;
  /** Absent where OpenCode gets no keys from the bridge. */
  providers?: ProviderAdmin | undefined;
}

/** The task API: every operation on tasks for plain HTTP clients. */
export class TaskApi {
  readonly router: Router;
  readonly routes: readonly Route[];
  readonly #ending = new AbortController();
  readonly #removed = new RemovedTasks();

  constructor({ maxBodyBytes, ...shared }: TaskApiOptions) {
    this.router = Router();
    this.router.use(compression({ threshold: COMPRESSED_FROM }));
    const json = express.json({ limit: maxBodyBytes });
    this.routes = allRoutes({ sessions: shared.sessions !== undefined });
    for (const route of this.routes) {
      const body = route.method === 'post' || route.method === 'put' ? [requireJson, json] : [];
      this.router[route.method](expressPath(route.path), ...body, this.#handler(route, shared));
    }
    for (const [path, routes] of Map.groupBy(this.routes, ({ path }) => path)) {
      this.router.all(expressPath(path), refuseMethod(routes));
    }
  }

  /** Waiting calls answer, streams end. */
  close(): void {
    this.#ending.abort();
  }

  #handler(route: Route, shared: Omit<TaskApiOptions, 'maxBodyBytes'>): RequestHandler {
    return async (req, res) => {
      const gone = new AbortController();
      res.once('close', () => gone.abort());
      const call = {
        ...shared,
        providers: shared.providers,
        removed: this.#removed,
        req,
        res,
        signal: gone.signal,
        // Sessions end with the server too.
        ending: identityOf(req)?.ended ?? this.#ending.signal,
      };
      const reply = await route.answer(call);
      if (!reply) return;
      const { status = 200, headers = {}, json } = reply;
      res.set({ 'Cache-Control': 'no-store', ...headers }).status(status);
      if (json === undefined) res.end();
      else res.json(json);
    };
  }
}

/** `/tasks/{task_id}/files/{path}` as express writes it; a file's path has any number of segments. */
function expressPath(path: string): string {
  return path.replace('{path}', '*path').replaceAll(/\{(\w+)\}/g, ':$1');
}

/** A form that a web page can post without asking is no JSON. */
const requireJson: RequestHandler = (req, res, next) => {
  const hasBody =
    req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
  if (!hasBody || req.is('application/json')) return next();
  const message = `Content-Type ${quote(req.headers['content-type'])} is not application/json.`;
  sendError(req, res, new BridgeError('INVALID_INPUT', message, { next: 'Send the body as JSON.' }), {
    status: 415,
  });
};

function refuseMethod(routes: readonly Route[]): (req: Request, res: Response) => void {
  const allowed = [...routes.map(({ method }) => METHODS[method]), 'OPTIONS'].join(', ');
  return (req, res) => {
    res.set('Allow', allowed);
    if (req.method === 'OPTIONS') return void res.status(204).end();
    const message = `${req.method} is not allowed on ${quote(req.path)}.`;
    sendError(req, res, new BridgeError('INVALID_INPUT', message, { next: `Use ${allowed}.` }), {
      status: 405,
    });
  };
}
