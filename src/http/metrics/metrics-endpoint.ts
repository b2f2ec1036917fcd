import type { Request, RequestHandler, Response } from 'express';
import { BridgeError } from '../../errors.ts';
import { isLocalConnection, isLoopback } from '../../loopback.ts';
import { refuse } from '../access.ts';
import { bearerTokenOf } from '../guards/bearer.ts';
import { type TokenCheck, tokenCheck, unauthorized } from '../guards/token-check.ts';

/** What a reverse proxy adds. */
const PROXIED = ['x-forwarded-for', 'x-forwarded-host', 'forwarded'] as const;

/** Where the metrics come from. */
export interface MetricsSource {
  contentType: string;
  text(): Promise<string>;
  /** Called with each response. */
  request(method: string, route: string, status: number, ms: number): void;
}

/**
 * Lets in who has METRICS_TOKEN; without one, who calls from this machine by a loopback name. A reverse proxy on this
 * machine passes the public name on, and so does not open the metrics to everybody.
 */
export function metricsGuard(token: string | undefined): RequestHandler {
  const check: TokenCheck | undefined = token === undefined ? undefined : tokenCheck([{ token }]);
  return (req, res, next) => {
    if (!check) return isLocal(req) ? next() : refuse(req, res, { error: needsToken() });
    const given = bearerTokenOf(req.headers);
    const { refusal } =
      given === undefined
        ? unauthorized(
            'A bearer token is needed.',
            'Send the header "Authorization: Bearer <METRICS_TOKEN>".',
          )
        : check(given, req.socket);
    if (refusal) refuse(req, res, refusal);
    else next();
  };
}

export function sendMetrics(source: MetricsSource): RequestHandler {
  return async (_req: Request, res: Response) => {
    const text = await source.text();
    res.set({ 'Content-Type': source.contentType, 'Cache-Control': 'no-store' }).send(text);
  };
}

function isLocal({ socket, headers }: Request): boolean {
  const { hostname } = new URL(`http://${headers.host ?? 'nowhere'}`);
  return (
    isLocalConnection(socket) && isLoopback(hostname) && PROXIED.every((name) => headers[name] === undefined)
  );
}

function needsToken(): BridgeError {
  return new BridgeError('FORBIDDEN', 'Without METRICS_TOKEN only this machine can read the metrics.', {
    next: 'The operator can set METRICS_TOKEN, and the collector send it as a bearer token.',
  });
}
