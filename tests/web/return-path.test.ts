import { expect, test } from 'vitest';
import { returnPath } from '../../src/web/sign-in/return-path.ts';

const BASE = new URL('https://example.org/bridge/');

test.each(['/', '/new', '/tasks/task_1?tab=changes&file=a%2Fb', '/?status=failed&q=x%26y', '/system'])(
  'leads back to %s',
  (path) => {
    expect(returnPath(path, BASE)).toBe(path);
  },
);

test.each([
  null,
  '',
  'new',
  '//evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  'https://evil.example/',
  'javascript:alert(1)',
  '/\t/evil.example',
  '/../../elsewhere',
  '/%2e%2e/elsewhere',
  '/sign-in?return=/new',
])('leads to the list instead of %j', (path) => {
  expect(returnPath(path, BASE)).toBe('/');
});
