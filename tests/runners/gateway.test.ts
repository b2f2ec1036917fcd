import { expect, it } from 'vitest';
import { gatewayOf } from '../../src/runners/docker/gateway.ts';

/** What an engine says of its networks; loopback stands for an interface that every machine has. */
const networks = (...subnets: { subnet: string; gateway: string | undefined }[]) => ({
  subnets: async () => subnets,
});

it.each([
  ['the gateway of this machine', [{ subnet: '127.0.0.0/8', gateway: '127.0.0.1' }], '127.0.0.1'],
  ['a container in the network', [{ subnet: '127.0.0.0/24', gateway: '127.0.0.254' }], '127.0.0.1'],
  [
    'a second range',
    [
      { subnet: '198.51.100.0/24', gateway: undefined },
      { subnet: '127.0.0.0/8', gateway: undefined },
    ],
    '127.0.0.1',
  ],
])('containers reach %s', async (_name, subnets, address) => {
  expect(await gatewayOf(networks(...subnets), 'bridge')).toBe(address);
});

it.each([
  ['bridge', [{ subnet: '198.51.100.0/24', gateway: '198.51.100.1' }]],
  ['bridge', []],
  ['none', [{ subnet: '127.0.0.0/8', gateway: '127.0.0.1' }]],
])('an engine elsewhere, and no network, are told with the way out (%s)', async (network, subnets) => {
  await expect(gatewayOf(networks(...subnets), network)).rejects.toMatchObject({
    code: 'INVALID_STATE',
    message: expect.stringContaining(`RUNNER_NETWORK "${network}"`),
    next: expect.stringContaining('PROVIDER_PROXY_URL'),
  });
});

it('the network of the host has loopback', async () => {
  expect(await gatewayOf(networks(), 'host')).toBe('127.0.0.1');
});
