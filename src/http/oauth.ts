import { type RequestHandler, Router } from 'express';

/** The discovery paths of RFC 8414, RFC 9728 and OpenID Connect. */
const DISCOVERY = /^(\/mcp)?\/\.well-known\/(oauth-[\w-]+|openid-configuration)(\/|$)/;

/**
 * Answers clients that try OAuth discovery after a 401: there is no OAuth. The answer is an OAuth error (RFC 7591),
 * because clients show its description to the user; of any other answer they only report that it is invalid.
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
