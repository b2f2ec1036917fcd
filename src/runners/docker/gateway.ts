import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { BridgeError, quote } from '../../errors.ts';
import type { DockerClient } from './docker-client.ts';

const LOOPBACK = '127.0.0.1';

/**
 * The address of this process that containers in the network reach: the host's own in it, or that of a bridge which is a
 * container in it. Throws INVALID_STATE where there is none.
 */
export async function gatewayOf(docker: Pick<DockerClient, 'subnets'>, network: string): Promise<string> {
  if (network === 'host') return LOOPBACK;
  const subnets = network === 'none' ? [] : await docker.subnets(network);
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
  const gateway = subnets.find(({ gateway }) => gateway !== undefined && own.includes(gateway))?.gateway;
  const found = gateway ?? own.find((address) => subnets.some(({ subnet }) => contains(subnet, address)));
  if (found !== undefined) return found;
  throw new BridgeError(
    'INVALID_STATE',
    `Containers in RUNNER_NETWORK ${quote(network)} have no known way to the credential proxy of this bridge.`,
    {
      next: 'Set PROVIDER_PROXY_HOST and PROVIDER_PROXY_URL (docs/provider-keys.md), or PROVIDER_PROXY=false.',
    },
  );
}

function contains(subnet: string, address: string): boolean {
  const [net = '', prefix = ''] = subnet.split('/');
  const family = isIP(net) === 6 ? 'ipv6' : 'ipv4';
  if (isIP(net) === 0 || isIP(net) !== isIP(address)) return false;
  const range = new BlockList();
  range.addSubnet(net, Number(prefix), family);
  return range.check(address, family);
}
