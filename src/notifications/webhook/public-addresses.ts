import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';

/** Never a receiver: this network, link-local and multicast addresses, and where clouds hand out credentials. */
const NEVER = networks([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '100.100.100.200/32', // Alibaba
  '168.63.129.16/32', // Azure
  '192.0.0.192/32', // Oracle
  '::/128',
  'fe80::/10',
  'ff00::/8',
  'fd00:ec2::254/128', // AWS
  'fd20:ce::254/128', // Google
]);
/** Addresses of private networks and of this machine. */
const PRIVATE = networks([
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
]);
/** Other addresses of https://www.iana.org/assignments/iana-ipv4-special-registry and its IPv6 counterpart. */
const RESERVED = networks([
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  // These hold an IPv4 address, or are reserved: 6to4 and Teredo could lead to a private network.
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
]);
/** All of IPv6 that is handed out to networks. What is outside it includes the IPv4-mapped and NAT64 addresses. */
const GLOBAL = networks(['2000::/3']);

/** Whether the bridge may send to an address: public ones, and private ones where that is allowed. */
export function isReachable(address: string, allowPrivate: boolean): boolean {
  const family = isIP(address);
  if (family === 0 || address.includes('%') || isIn(NEVER, address)) return false;
  if (isIn(PRIVATE, address) || isOwn(address)) return allowPrivate;
  return !isIn(RESERVED, address) && (family === 4 || isIn(GLOBAL, address));
}

/** The cause of a connection that was not made. */
class AddressRefused extends Error {
  readonly code = 'ADDRESS_REFUSED';
}

/**
 * Resolves a name, and fails if any of its addresses may not be called. The connection is made to the addresses that
 * were checked: the name is not resolved again in between.
 */
export function checkedLookup(allowPrivate: boolean, lookup: LookupFunction = systemLookup): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, found, family) => {
      if (error) return callback(error, found, family);
      const addresses = typeof found === 'string' ? [found] : found.map(({ address }) => address);
      const refused = addresses.find((address) => !isReachable(address, allowPrivate));
      if (refused === undefined) return callback(null, found, family);
      callback(new AddressRefused(`it resolves to ${refused}, which is not a public address`), found, family);
    });
}

function isOwn(address: string): boolean {
  return Object.values(networkInterfaces()).some((all) => all?.some((own) => own.address === address));
}

type Networks = Record<4 | 6, BlockList>;

/** One list for each family: a list compares IPv4-mapped IPv6 addresses with its IPv4 networks. */
function networks(all: readonly string[]): Networks {
  const lists = { 4: new BlockList(), 6: new BlockList() };
  for (const network of all) {
    const [address = '', prefix] = network.split('/');
    const family = isIPv6(address) ? 6 : 4;
    lists[family].addSubnet(address, Number(prefix), `ipv${family}`);
  }
  return lists;
}

function isIn(networks: Networks, address: string): boolean {
  const family = isIPv6(address) ? 6 : 4;
  return networks[family].check(address, `ipv${family}`);
}
