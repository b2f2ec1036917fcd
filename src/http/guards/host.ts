import { isIP } from 'node:net';
import { quote } from '../../errors.ts';
import { isLoopback } from '../../loopback.ts';
import { type AccessRules, forbidden, type Guard } from './guard.ts';

/**
 * Refuses a Host header that does not name this server: a web page may have rebound its own name to this machine.
 * If the server listens beyond loopback, any literal address is allowed, because a rebound name never is one.
 */
export function hostGuard({ host, allowedHosts }: AccessRules): Guard {
  const allowed = new Set(allowedHosts.map(hostnameOf));
  const allowsLiterals = !isLoopback(host);
  return ({ headersDistinct }) => {
    const hosts = headersDistinct.host ?? [];
    // Of two, a proxy in front may have checked the other one.
    const name = hosts.length === 1 ? hostnameOf(hosts[0]) : undefined;
    if (name !== undefined) {
      if (isLoopback(name) || allowed.has(name)) return undefined;
      if (allowsLiterals && isIP(name.replace(/^\[|\]$/g, '')) > 0) return undefined;
    }
    const given = hosts.length === 0 ? quote(undefined) : hosts.map((it) => quote(it)).join(', ');
    return forbidden(`Host ${given} is not a name of this server.`, 'MCP_ALLOWED_HOSTS');
  };
}

/** The host name in a Host header, normalised and without a port; undefined if there is none. */
function hostnameOf(host = ''): string | undefined {
  if (!/^[\w.:[\]-]+$/.test(host) || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname;
}
