import { quote } from '../../errors.ts';
import { isLoopback } from '../../loopback.ts';
import { type AccessRules, forbidden, type Guard } from './guard.ts';

/**
 * Refuses requests of web pages of other origins. Pages of this server are those of the origin that the Host header
 * names, which the host guard has allowed. A request without an Origin header does not come from a page.
 */
export function originGuard({ host, ...rules }: AccessRules): Guard {
  const allowsLoopback = isLoopback(host);
  const refuseOthers = ownPageGuard(rules);
  return (request) => {
    const origin = originOf(request.headers.origin ?? '');
    if (allowsLoopback && origin !== undefined && isLoopbackPage(origin)) return undefined;
    return refuseOthers(request);
  };
}

/** The same without an exception for loopback, where other programs, also those of tasks, serve pages too. */
export function ownPageGuard({ allowedOrigins }: Pick<AccessRules, 'allowedOrigins'>): Guard {
  const allowed = new Set(allowedOrigins.map(originOf));
  return ({ headers }) => {
    const given = headers.origin;
    if (given === undefined) return undefined;
    const origin = originOf(given);
    if (origin !== undefined && (allowed.has(origin) || isOriginOf(headers.host, origin))) return undefined;
    return forbidden(`Origin ${quote(given)} may not call.`, 'MCP_ALLOWED_ORIGINS');
  };
}

/** Whether pages of an origin were loaded from a host; a reverse proxy may have added TLS, so either scheme is right. */
function isOriginOf(host: string | undefined, origin: string): boolean {
  const { protocol } = new URL(origin);
  return /^https?:$/.test(protocol) && host !== undefined && originOf(`${protocol}//${host}`) === origin;
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
