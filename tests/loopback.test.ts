import { describe, expect, it } from 'vitest';
import { isLocalConnection, isLoopback } from '../src/loopback.ts';

describe('loopback', () => {
  it.each([
    'localhost',
    'LOCALHOST',
    '127.0.0.1',
    '127.0.0.2',
    '127.255.255.254',
    '127.1',
    '0x7f000001',
    '::1',
    '[::1]',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    '[::ffff:127.0.0.1]',
    '::ffff:7f00:2',
  ])('is %s', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each([
    '',
    '0.0.0.0',
    '::',
    '[::]',
    '128.0.0.1',
    '10.0.0.1',
    '::2',
    '::ffff:10.0.0.1',
    'example.org',
    'localhost.example.org',
    '127.example.org',
    '127.0.0.1.example.org',
    '127.0.0.1:80',
    '127.0.0.1/x',
    'user@127.0.0.1',
    '127.0.0.1#',
    ' 127.0.0.1',
  ])('is not %j', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});

it.each([
  ['127.0.0.1', '127.0.0.1', true],
  ['127.1.2.3', '127.0.0.1', true],
  ['::1', '::1', true],
  ['::ffff:127.0.0.1', '::ffff:127.0.0.1', true],
  ['127.0.0.2', '127.0.0.1', true],
  ['::ffff:127.0.0.2', '::ffff:127.0.0.1', true],
  ['10.0.0.1', '10.0.0.1', true],
  ['10.0.0.2', '10.0.0.1', false],
  ['10.0.0.2', '127.0.0.1', false],
  ['::ffff:10.0.0.2', '::ffff:10.0.0.1', false],
  [undefined, undefined, false],
])('a call from %s at %s is from this machine: %s', (remoteAddress, localAddress, expected) => {
  expect(isLocalConnection({ remoteAddress, localAddress })).toBe(expected);
});
