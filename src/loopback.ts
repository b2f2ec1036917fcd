import { BlockList, isIP } from 'node:net';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * Whether a host can only be this machine: `localhost`, 127.0.0.0/8, `::1`, and their IPv4-mapped form
 * (`::ffff:127.0.0.1`). In any spelling, an IPv6 address with brackets or without; no name is looked up.
 */
export function isLoopback(host: string): boolean {
  const name = canonical(host);
  if (name === 'localhost') return true;
  const family = isIP(name);
  return family > 0 && LOOPBACK.check(name, family === 6 ? 'ipv6' : 'ipv4');
}

/** A host as URL normalises it, without brackets: `127.1` and `0x7f000001` are `127.0.0.1`. */
function canonical(host: string): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) > 0) return bare;
  if (!/^[\w.-]+$/.test(bare) || !URL.canParse(`http://${bare}`)) return '';
  return new URL(`http://${bare}`).hostname;
}

/** The addresses at both ends of a connection, as a socket has them. */
export interface ConnectionEnds {
  remoteAddress?: string | undefined;
  localAddress?: string | undefined;
}

/** Whether this machine called itself, by loopback or by an address of its own. */
export function isLocalConnection({ remoteAddress = '', localAddress }: ConnectionEnds): boolean {
  return isLoopback(remoteAddress) || (remoteAddress !== '' && remoteAddress === localAddress);
}
