import { type Authenticate, bearerTokenOf } from '../guards/bearer.ts';
import type { Guards } from '../guards/guards.ts';
import { unauthorized } from '../guards/token-check.ts';
import { type BrowserSessions, CSRF_HEADER } from './browser-sessions.ts';
import { sessionIdsOf } from './session-cookie.ts';

/** Allows what the bearer guard allows, and requests with the session of a browser from a page of this server. */
export function sessionGuard(sessions: BrowserSessions, { bearer, ownPage }: Guards): Authenticate {
  if (!sessions.needsToken) return bearer;
  return (request) => {
    const { headers } = request;
    if (bearerTokenOf(headers) !== undefined || sessionIdsOf(headers).length === 0) return bearer(request);
    const refusal = ownPage(request);
    if (refusal) return { refusal };
    const session = sessions.find(request);
    if (session) return { identity: session.identity };
    return unauthorized(
      `The session has ended, or the header ${CSRF_HEADER} does not belong to it.`,
      'Sign in again: POST /session with a token of MCP_AUTH_TOKENS.',
    );
  };
}
