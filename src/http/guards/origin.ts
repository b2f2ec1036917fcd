import { quote } from '../../errors.ts';
import { isLoopback } from '../../loopback.ts';
import { type AccessRules, forbidden, type Guard } from './guard.ts';

/** Refuses requests of web pages of other origins. A request without an Origin header does not come from a page. */
export function originGuard({ host, allowedOrigins }: AccessRules): Guard {
  const allowed = new Set(allowedOrigins.map(originOf));
  const allowsLoopback = isLoopback(host);
  return ({ headers }) => {
    const given = headers.origin;
    if (given === undefined) return undefined;
    const origin = originOf(given);
    if (origin !== undefined && (allowed.has(origin) || (allowsLoopback && isLoopbackPage(origin)))) {
      return undefined;
    }
    return forbidden(`Origin ${quote(given)} may not call.`, 'MCP_ALLOWED_ORIGINS');
  };
}

function isLoopbackPage(origin: string): boolean {
  const { protocol, hostname } = new URL(origin);
  return /^https?:$/.test(protocol) && isLoopback(hostname);
}

/** An origin, normalised; undefined if the text is none, such as "null". */
function originOf(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { origin, protocol, host } = new URL(text);
  // Schemes such as chrome-extension: have no origin for URL, but one for browsers.
  return origin !== 'null' ? origin : host === '' ? undefined : `${protocol}//${host}`;
}
