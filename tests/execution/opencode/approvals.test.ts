import fc from 'fast-check';
import { expect, it } from 'vitest';
import { matches } from '../../../src/runners/opencode-protocol/wildcard.ts';
import { Approvals, cover } from '../../../src/runners/opencode-server/approvals.ts';

it.each([
  ['ls', 'ls *', true],
  ['ls -la', 'ls *', true],
  ['lsof', 'ls *', false],
  ['rm -rf /', 'echo *', false],
  ['echo a; rm', 'echo *', true],
  ['a.b', 'a?b', true],
  ['axb', 'a.b', false],
  ['', '*', true],
  ['', '', true],
  ['x', '', false],
  ['a\nb', 'a*', true],
  ['dir\\file', 'dir/*', true],
  ['*', 'a', false],
  ['ab', 'a', false],
  ['aXbXc', 'a*b*c', true],
  ['aXbX', 'a*b*c', false],
])('%j satisfies %j: %s', (text, pattern, expected) => {
  expect(matches(text, pattern)).toBe(expected);
});

it('decides as the regular expression of OpenCode does (property)', () => {
  const symbols = (...of: string[]) =>
    fc.array(fc.constantFrom(...of), { maxLength: 12 }).map((all) => all.join(''));
  fc.assert(
    fc.property(
      symbols('a', 'b', ' ', '.', '\n', '*'),
      symbols('a', 'b', ' ', '*', '?', '.'),
      (text, pattern) => {
        const escaped = pattern
          .replace(/[.+^${}()|[\]\\]/g, '\\$&')
          .replace(/\*/g, '.*')
          .replace(/\?/g, '.');
        const optional = escaped.endsWith(' .*') ? `${escaped.slice(0, -3)}( .*)?` : escaped;
        expect(matches(text, pattern)).toBe(new RegExp(`^${optional}$`, 's').test(text));
      },
    ),
  );
});

it('takes no time worth naming for a pattern made to take long', () => {
  const began = performance.now();
  expect(matches('a'.repeat(5_000), `${'a*'.repeat(500)}b`)).toBe(false);
  expect(performance.now() - began).toBeLessThan(2_000);
});

it('covers what was allowed, all of it, in its directory', () => {
  const approvals = new Approvals();
  approvals.add('/a', 'bash', ['echo *']);
  approvals.add('/a', 'bash', ['ls *', 'echo *']);
  expect(cover(approvals.of('/a'), 'bash', ['echo one', 'ls'])).toBe(true);
  expect(cover(approvals.of('/a'), 'bash', ['echo one', 'rm x'])).toBe(false);
  expect(cover(approvals.of('/b'), 'bash', ['echo one'])).toBe(false);
  expect(cover(approvals.of('/a'), 'edit', ['echo one'])).toBe(false);
});
