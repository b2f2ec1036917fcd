import { BlockList, isIPv6 } from 'node:net';
import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { absent, buildBase, find } from './build.ts';

const objects = absent === undefined ? buildBase() : [];
beforeEach(({ skip }) => skip(absent !== undefined, absent));

describe('the network policy', () => {
  const ruleSchema = z.object({
    to: z.array(
      z.looseObject({
        ipBlock: z.object({ cidr: z.string(), except: z.array(z.string()).default([]) }).optional(),
      }),
    ),
    ports: z.array(z.object({ protocol: z.string(), port: z.number() })),
  });

  /** Whether a rule lets the pod connect to the address. */
  function reaches(address: string): number[] {
    const { egress } = z
      .looseObject({ egress: z.array(ruleSchema) })
      .parse(find(objects, 'NetworkPolicy', 'opencode-bridge').spec);
    return egress.flatMap(({ to, ports }) =>
      to.some(({ ipBlock }) => ipBlock && isIn([ipBlock.cidr], address) && !isIn(ipBlock.except, address))
        ? ports.map(({ port }) => port)
        : [],
    );
  }

  function isIn(blocks: readonly string[], address: string): boolean {
    const list = new BlockList();
    for (const block of blocks) {
      const [network = '', prefix] = block.split('/');
      list.addSubnet(network, Number(prefix), isIPv6(network) ? 'ipv6' : 'ipv4');
    }
    return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }

  it.each([
    '169.254.169.254',
    '10.96.0.1',
    '172.31.0.9',
    '192.168.1.1',
    '100.64.0.1',
    '127.0.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    'fd00::1',
    'fe80::1',
    '::1',
    'ff02::1',
  ])('keeps tasks from %s', (address) => expect(reaches(address)).toEqual([]));

  it.each(['8.8.8.8', '172.32.0.1', '2600::1'])('lets them reach %s by TLS alone', (address) =>
    expect(reaches(address)).toEqual([443]),
  );

  it('lets clients of the namespace in by their label, and nobody else', () => {
    const { ingress } = z.looseObject({ ingress: z.unknown() }).parse(find(objects, 'NetworkPolicy').spec);
    expect(ingress).toEqual([
      {
        from: [{ podSelector: { matchLabels: { 'opencode-bridge/client': 'true' } } }],
        ports: [{ protocol: 'TCP', port: 'opencode-bridge' }],
      },
    ]);
  });
});
