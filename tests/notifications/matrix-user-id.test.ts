import { expect, it } from 'vitest';
import { matrixUserFault } from '../../src/matrix/user-id.ts';

const longest = `@${'a'.repeat(255 - '@:example.org'.length)}:example.org`;

it.each([
  '@ann:example.org',
  '@ann:example.org:8448',
  '@ann:localhost',
  '@ann:192.0.2.1:1',
  '@ann:[2001:db8::1]',
  '@ann:[::ffff:192.0.2.1]:65535',
  '@a=40b/c+d_e-f.g:example.org',
  '@Upper!"#$%&\'()*,;<>?@[\\]^`{|}~:Example.ORG',
  longest,
])('%s is a Matrix user id', (text) => {
  expect(matrixUserFault(text)).toBeUndefined();
});

it.each([
  ...['', '@', 'ann', 'ann:example.org', '@ann', '@ann:', '@:example.org', '#ann:example.org'],
  ...['@ann b:example.org', '@ann\t:example.org', '@änn:example.org', '@ann:exämple.org', '@ann:a_b'],
  ...[' @ann:example.org', '@ann:example.org ', '@ann:example.org\n', '@ann\u007f:example.org'],
  ...['@ann:example.org:', '@ann:example.org:123456', '@ann:example.org:http', '@ann:::1', '@ann:[::1'],
  ...['@ann:[]', '@ann:[::1]x', '@ann:[1:2]', '@ann:[::1%eth0]', '@ann:[example.org]', '@ann:example.org/x'],
])('%j is none', (text) => {
  expect(matrixUserFault(text)).toBe('is not a Matrix user id such as "@ann:example.org"');
});

it('a Matrix user id has at most 255 bytes', () => {
  expect(matrixUserFault(`${longest}g`)).toBe('has 256 bytes, a Matrix user id has at most 255');
  expect(matrixUserFault(`@${'ä'.repeat(130)}:x`)).toContain('has 263 bytes');
});
