import type { Request, Response } from 'express';
import { z } from 'zod';
import { BridgeError } from '../../errors.ts';
import type { Refusal } from '../guards/guard.ts';
import { defineRoute, NONE, type Route, type RouteCall } from '../route.ts';
import { type BrowserSessions, CSRF_HEADER, LIFETIME_MS } from './browser-sessions.ts';
import { sessionCookie } from './session-cookie.ts';

const COOKIE =
  'The cookie `bridge_session`: HttpOnly, SameSite=Strict, for 24 h, `Secure` for a page over TLS.';
const requestHeaders = { [CSRF_HEADER]: 'The `csrf_token` of the session.' };

const showSession = defineRoute({
  method: 'get',
  path: '/session',
  operationId: 'getSession',
  summary: 'Whether a token is needed, and whether this browser is signed in',
  open: true,
  requestHeaders,
  params: NONE,
  query: NONE,
  body: NONE,
  success: [
    {
      status: 200,
      about: 'The session.',
      content: {
        'application/json': z.object({
          authentication: z.enum(['none', 'token']),
          signed_in: z.boolean(),
          agent_id: z.string().optional(),
          expires_at: z.string().optional(),
        }),
      },
    },
  ],
  errors: [],
  async run({ req, ...call }) {
    const sessions = sessionsOf(call);
    if (!sessions.needsToken) return { json: { authentication: 'none', signed_in: true } };
    const session = sessions.find(req);
    if (!session) return { json: { authentication: 'token', signed_in: false } };
    const { identity, expiresAt } = session;
    return {
      json: {
        authentication: 'token',
        signed_in: true,
        agent_id: identity.agentId,
        expires_at: new Date(expiresAt).toISOString(),
      },
    };
  },
});

const openSession = defineRoute({
  method: 'post',
  path: '/session',
  operationId: 'signIn',
  summary: 'Sign a browser in: exchanges a token for a cookie',
  about:
    'For web pages of the bridge itself. The cookie alone opens nothing: each request with it, GET too, also needs the header `X-CSRF-Token`. It is valid for the task API, not for `/mcp`. A wrong token counts as a guess.',
  open: true,
  params: NONE,
  query: NONE,
  body: z.strictObject({ token: z.string().min(1).max(1_000) }),
  success: [
    {
      status: 201,
      about: 'Signed in.',
      headers: { 'Set-Cookie': COOKIE },
      content: {
        'application/json': z.object({
          csrf_token: z.string(),
          agent_id: z.string().optional(),
          expires_at: z.string(),
        }),
      },
    },
  ],
  errors: ['UNAUTHORIZED', 'INVALID_STATE'],
  async run({ req, res, body: { token }, ...call }) {
    const { guards } = call;
    const sessions = sessionsOf(call);
    refuse(res, guards.ownPage(req));
    if (!sessions.needsToken) {
      const message =
        'The bridge has no tokens (MCP_AUTH_TOKENS is empty), so there is nothing to sign in with.';
      throw new BridgeError('INVALID_STATE', message, { next: 'Call it without a token.' });
    }
    const { identity, refusal } = guards.token(token, req.socket);
    refuse(res, refusal);
    // Never the id that the browser already has: somebody else may have chosen it.
    endSession(sessions, req);
    const { id, csrfToken, expiresAt } = sessions.open(token);
    return {
      status: 201,
      headers: { 'Set-Cookie': sessionCookie(id, LIFETIME_MS, req.headers) },
      json: {
        csrf_token: csrfToken,
        agent_id: identity?.agentId,
        expires_at: new Date(expiresAt).toISOString(),
      },
    };
  },
});

const closeSession = defineRoute({
  method: 'delete',
  path: '/session',
  operationId: 'signOut',
  summary: 'Sign a browser out',
  about: 'Ends the session, and the streams and WebSockets that were opened with it. Can be repeated.',
  open: true,
  requestHeaders,
  params: NONE,
  query: NONE,
  body: NONE,
  success: [{ status: 204, about: 'Signed out.', headers: { 'Set-Cookie': 'Removes the cookie.' } }],
  errors: [],
  async run({ req, res, ...call }) {
    refuse(res, call.guards.ownPage(req));
    endSession(sessionsOf(call), req);
    return { status: 204, headers: { 'Set-Cookie': sessionCookie('', 0, req.headers) } };
  },
});

/** Sign-in and sign-out of the web page; served where the page is. */
export const SESSION_ROUTES: readonly Route[] = [showSession, openSession, closeSession];

function sessionsOf({ sessions }: Pick<RouteCall, 'sessions'>): BrowserSessions {
  if (!sessions) throw new Error('the routes of sessions are served without them');
  return sessions;
}

function endSession(sessions: BrowserSessions, req: Request): void {
  const session = sessions.find(req);
  if (session) sessions.end(session.idHash);
}

function refuse(res: Response, refusal: Refusal | undefined): void {
  if (!refusal) return;
  res.set(refusal.headers ?? {});
  throw refusal.error;
}
