import { type RequestHandler, Router } from 'express';

/** Where clients look for an authorization server, from RFC 8414, RFC 9728 and OpenID Connect Discovery. */
const DISCOVERY = /^(\/mcp)?\/\.well-known\/(oauth-[\w-]+|openid-configuration)(\/|$)/;

/**
 * Tells clients that look for OAuth after a 401 that there is none: they show their user the description of an OAuth
 * error (RFC 7591), and of any other answer only that it is not one.
 */
export function withoutOAuth(needsToken: boolean): Router {
  const how = needsToken
    ? 'Send the header "Authorization: Bearer <token>" with a token of MCP_AUTH_TOKENS.'
    : 'It asks for no token: connect to /mcp without one.';
  const refuse: RequestHandler = (_req, res) => {
    res
      .status(400)
      .set('Cache-Control', 'no-store')
      .json({ error: 'invalid_client_metadata', error_description: `There is no OAuth here. ${how}` });
  };
  return Router().get(DISCOVERY, refuse).post('/register', refuse);
}
