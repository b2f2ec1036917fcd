import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { seriousBarriers } from './support/axe.ts';
import { useBrowser } from './support/browser.ts';
import { heapBytes, takeLongTasks } from './support/long-tasks.ts';

const browser = useBrowser();
const CSP = "default-src 'self'";
const server = createServer((request, response) => {
  const html = decodeURIComponent(request.url?.split('?')[1] ?? '');
  response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': CSP });
  response.end(`<!doctype html><html lang="en"><title>A page</title><main><h1>A page</h1>${html}</main>`);
});
let url = '';

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${z.object({ port: z.number() }).parse(server.address()).port}`;
});
afterAll(() => void server.close());

const showing = (html: string) => browser.open(`${url}/?${encodeURIComponent(html)}`);

describe('a page that commits a fault is noticed', () => {
  it.each([
    ['an inline script', '<script>1</script>', /CSP violation: script-src-elem/],
    ['a handler in the markup', '<img src=x onerror="alert(1)">', /CSP violation: script-src-attr/],
    [
      'an image from elsewhere',
      '<img src="http://127.0.0.2:9/x.png" alt="">',
      /another origin|CSP violation: img-src/,
    ],
  ])('%s', async (_, html, fault) => {
    const { page, faults } = await showing(html);
    await page.waitForLoadState('networkidle');
    expect(faults.found.join('\n')).toMatch(fault);
    faults.allow(/./s);
  });

  it.each([
    ['an error', 'setTimeout(() => { throw new Error("ouch") })', /ouch/],
    ['an error on the console', 'console.error("ouch")', /console: ouch/],
    ['a dialog', 'setTimeout(() => alert("ouch"))', /dialog: ouch/],
    ['another window', 'void open("/")', /another window/],
  ])('%s', async (_, script, fault) => {
    const { page, faults } = await showing('');
    await page.evaluate(script);
    await expect.poll(() => faults.found.join('\n')).toMatch(fault);
    faults.allow(/./s);
  });
});

it('what is inaccessible is told', async () => {
  const { page, faults } = await showing('<button></button>');
  expect(await seriousBarriers(page)).toEqual([expect.stringContaining('button-name')]);
  expect(faults.found.filter((fault) => !fault.includes('favicon'))).toEqual([]);
});

it('a long task is told, and the heap measured', async () => {
  const { page } = await showing('');
  await page.evaluate('setTimeout(() => { const end = Date.now() + 200; while (Date.now() < end); })');
  // What is taken is gone from the page, and a busy machine makes the page's own start a long task too: all are kept.
  const told: number[] = [];
  await expect
    .poll(async () => {
      told.push(...(await takeLongTasks(page)));
      return Math.max(...told, 0);
    })
    .toBeGreaterThan(150);
  expect(await heapBytes(page)).toBeGreaterThan(100_000);
});
