import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { CallbackHosts } from '../../src/notifications/webhook/callback-hosts.ts';
import { checkedLookup, isReachable } from '../../src/notifications/webhook/public-addresses.ts';

const PUBLIC = ['1.1.1.1', '93.184.216.34', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001:80b::200e'];
const PRIVATE = [
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.0.1',
  '::1',
  'fd12::1',
  'fc00::1',
];
const NEVER = [
  '0.0.0.0',
  '0.1.2.3',
  '169.254.169.254',
  '169.254.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd00:0ec2:0:0:0:0:0:0254',
  'fd20:ce::254',
  '224.0.0.1',
  '239.255.255.250',
  '255.255.255.255',
  '240.0.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '203.0.113.9',
  '::',
  'fe80::1',
  'fe80::1%eth0',
  'ff02::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:1.1.1.1',
  '::127.0.0.1',
  '64:ff9b::a9fe:a9fe',
  '2002:7f00:1::1',
  '2001::1',
  '2001:db8::1',
  'example.org',
  '',
];

describe('an address', () => {
  it.each(PUBLIC)('%s is public', (address) => {
    expect([isReachable(address, false), isReachable(address, true)]).toEqual([true, true]);
  });

  it.each(PRIVATE)('%s is private', (address) => {
    expect([isReachable(address, false), isReachable(address, true)]).toEqual([false, true]);
  });

  it.each(NEVER)('%j is never called', (address) => {
    expect([isReachable(address, false), isReachable(address, true)]).toEqual([false, false]);
  });

  it('of this machine is not public, whatever it is', () => {
    const own = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []);
    expect(own.length).toBeGreaterThan(0);
    expect(own.filter((address) => isReachable(address, false))).toEqual([]);
    const linkLocal = own.filter((address) => /^(fe80|169\.254)/.test(address));
    expect(linkLocal.filter((address) => isReachable(address, true))).toEqual([]);
  });
});

describe('the lookup of a name', () => {
  const resolve = (found: string[], all = true) =>
    new Promise((done) => {
      const system: LookupFunction = (_, options, callback) =>
        options.all
          ? callback(
              null,
              found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
            )
          : callback(null, found[0] ?? '', 4);
      checkedLookup(false, system)('hooks.example.org', { all }, (error, addresses) =>
        done(error ? `${Reflect.get(error, 'code')}: ${error.message}` : addresses),
      );
    });

  it('gives public addresses, all or one', async () => {
    expect(await resolve(['1.1.1.1', '2606:4700::1111'])).toEqual([
      { address: '1.1.1.1', family: 4 },
      { address: '2606:4700::1111', family: 6 },
    ]);
    expect(await resolve(['1.1.1.1'], false)).toBe('1.1.1.1');
  });

  it.each([
    [['169.254.169.254'], '169.254.169.254'],
    [['1.1.1.1', '10.0.0.1'], '10.0.0.1'],
    [['1.1.1.1', '::ffff:10.0.0.1'], '::ffff:10.0.0.1'],
  ])('fails where one of %j is not public', async (found, refused) => {
    const says = `ADDRESS_REFUSED: it resolves to ${refused}, which is not a public address`;
    expect(await resolve(found)).toBe(says);
    if (found.length === 1) expect(await resolve(found, false)).toBe(says);
  });

  it('passes on that there is no such name', async () => {
    const failed = new Promise((done) =>
      checkedLookup(false, lookup)('no-such-name.invalid', { all: true }, done),
    );
    expect(Reflect.get(Object(await failed), 'code')).toMatch(/ENOTFOUND|EAI_AGAIN/);
  });
});

describe('a callback_url', () => {
  const hosts = new CallbackHosts([
    { hostname: 'hooks.example.org' },
    { hostname: 'ci.example.org', port: '8443' },
    { hostname: '127.0.0.1', port: '99' },
    { hostname: '[::1]', port: '80' },
  ]);

  it.each([
    'https://hooks.example.org/a?b=c#d',
    'http://hooks.example.org',
    'http://HOOKS.example.org:443',
    'https://hooks.example.org:80/',
    'https://ci.example.org:8443',
    'http://127.0.0.1:99/x',
    'http://2130706433:99/x',
    'http://0x7f.1:99/x',
    'http://[0:0:0:0:0:0:0:1]/',
  ])('%s is allowed', (url) => {
    expect(hosts.fault(url)).toBeUndefined();
  });

  it.each([
    ['https://ci.example.org/', 'names "ci.example.org"'],
    ['https://hooks.example.org:8443/', 'names "hooks.example.org:8443"'],
    ['https://hooks.example.org.evil.test/', 'names "hooks.example.org.evil.test"'],
    ['https://hooks.example.org./', 'names "hooks.example.org."'],
    ['https://a.hooks.example.org/', 'names "a.hooks.example.org"'],
    ['http://169.254.169.254/latest/meta-data', 'names "169.254.169.254"'],
    ['http://[fd00:ec2::254]/latest', 'names "[fd00:ec2::254]"'],
    ['http://[::ffff:127.0.0.1]:99/', 'names "[::ffff:7f00:1]:99"'],
    ['http://2852039166/', 'names "169.254.169.254"'],
    ['http://127.0.0.1:3500/mcp', 'names "127.0.0.1:3500"'],
    ['http://localhost:99/', 'names "localhost:99"'],
    ['http://evil.test\\@hooks.example.org/', 'names "evil.test"'],
    ['http://evil.test#@hooks.example.org/', 'names "evil.test"'],
    ['https://user:pass-word@hooks.example.org/', 'must not hold credentials'],
    ['https://hooks.example.org@evil.test/', 'must not hold credentials'],
    ['ftp://hooks.example.org/', 'has the scheme "ftp:"'],
    ['file:///etc/passwd', 'has the scheme "file:"'],
    ['javascript:alert(1)', 'has the scheme "javascript:"'],
    ['hooks.example.org', 'is not a URL'],
    ['//hooks.example.org', 'is not a URL'],
    ['', 'is not a URL'],
    [`https://hooks.example.org/${'x'.repeat(2_000)}`, 'has 2026 characters, at most 2000'],
  ])('%s is refused', (url, says) => {
    expect(hosts.fault(url)).toContain(says);
    expect(hosts.fault(url)).not.toContain('pass-word');
  });
});
