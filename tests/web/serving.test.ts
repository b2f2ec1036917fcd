import { mkdir, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writePage } from '../../src/http/page/built-page.ts';
import { bundlePage } from '../../src/http/page/bundle.ts';
import { WEB_FOLDER } from '../../src/package.ts';
import { say, statusOf, wire } from '../http/raw.ts';
import { startServer } from '../http/server.ts';
import { tempDir } from '../support/temp.ts';
import { startPageServer } from './browser.ts';

/** As Chromium navigates. */
const NAVIGATION = {
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
};
const TASKS_LINK = /<link rel="preload" as="fetch" crossorigin href="([^"]+)">\n/;
const PAGES = ['/', '/new', '/system', '/sign-in', '/tasks/task_1'];

let server: Awaited<ReturnType<typeof startPageServer>>;
beforeAll(async () => {
  // As a checkout serves it: from its sources.
  server = await startPageServer({ tokens: [{ token: 'a-token' }], folder: WEB_FOLDER });
});
afterAll(() => server[Symbol.asyncDispose]());

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${server.origin}${path}`, { headers });

/** The URLs that a page loads by itself. */
async function assetsOf(path: string, origin = server.origin): Promise<URL[]> {
  const html = await (await fetch(`${origin}${path}`, { headers: NAVIGATION })).text();
  return [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, url = '']) => new URL(url, origin + path));
}

describe('the HTML', () => {
  test.each(PAGES)('%s is served without a token, and says nothing of anybody', async (path) => {
    const response = await get(path, NAVIGATION);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('vary')).toContain('Accept');
    expect(response.headers.get('set-cookie')).toBeNull();
    const html = await response.text();
    expect(html).not.toContain('task_1');
    // What the CSP would refuse.
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son\w+=/);
    expect(html).not.toMatch(/https?:/);
  });

  test('has headers that let nothing but the page itself run, load it or frame it', async () => {
    const { headers } = await get('/', NAVIGATION);
    const policy = headers.get('content-security-policy')?.split('; ');
    expect(policy).toEqual(
      expect.arrayContaining([
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
      ]),
    );
    expect(headers.get('content-security-policy')).not.toMatch(/unsafe|https?:|\*|data:/);
    expect(Object.fromEntries(headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'permissions-policy': expect.stringContaining('camera=()'),
    });
  });

  test('is checked again each time, and not sent again if it is the same', async () => {
    const { headers } = await get('/', NAVIGATION);
    expect(headers.get('cache-control')).toBe('no-cache');
    // By hand, because fetch adds Cache-Control: no-cache.
    const again = (path: string) =>
      say(
        server.http.port,
        wire(`GET ${path}`, [
          'Host: localhost',
          'Accept: text/html',
          `If-None-Match: ${headers.get('etag')}`,
        ]),
      );
    expect(statusOf(await again('/'))).toBe(304);
    expect(statusOf(await again('/tasks/task_1')), 'its links differ').toBe(200);
  });

  test('is not what an API client gets', async () => {
    for (const accept of ['*/*', 'application/json', 'application/json, text/html;q=0.9', '']) {
      const response = await get('/tasks/task_1', { accept });
      expect([response.status, response.headers.get('content-type')], accept).toEqual([
        401,
        expect.stringContaining('application/problem+json'),
      ]);
      expect(response.headers.get('vary')).toContain('Accept');
    }
    // curl and fetch send */*.
    const withToken = await get('/tasks/task_1', { authorization: 'Bearer a-token' });
    expect(withToken.status).toBe(404);
    expect(await withToken.json()).toMatchObject({ code: 'TASK_NOT_FOUND' });
    expect((await get('/', { accept: 'application/json' })).status).toBe(404);
    expect((await get('/')).status).toBe(200);
  });

  test('is served only at the paths of the page', async () => {
    for (const path of ['/tasks', '/events', '/tasks/task_1/events', '/tasks/task_1/files/x', '/nowhere']) {
      const { status, headers } = await get(path, NAVIGATION);
      expect([401, 404], path).toContain(status);
      expect(headers.get('content-type'), path).toContain('application/problem+json');
    }
    expect((await fetch(server.origin, { method: 'POST', headers: NAVIGATION })).status).toBe(404);
    for (const path of ['/', '/new', '/assets/x']) {
      expect((await fetch(`${server.origin}${path}`, { method: 'OPTIONS' })).status, path).toBe(404);
    }
    const options = await fetch(`${server.origin}/tasks/task_1`, {
      method: 'OPTIONS',
      headers: { authorization: 'Bearer a-token', accept: 'text/html' },
    });
    expect([options.status, options.headers.get('allow')], 'of the API').toEqual([
      204,
      'GET, HEAD, DELETE, OPTIONS',
    ]);
    const head = await fetch(server.origin, { method: 'HEAD', headers: NAVIGATION });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  test('is not served by another name, or to a page of another site', async () => {
    const at = (host: string, ...headers: string[]) =>
      say(server.http.port, wire('GET /', [`Host: ${host}`, 'Accept: text/html', ...headers]));
    expect(statusOf(await at('localhost'))).toBe(200);
    expect(statusOf(await at('evil.example'))).toBe(403);
    expect(statusOf(await at('localhost', 'Host: evil.example'))).toBe(403);
    expect(statusOf(await at('localhost', 'Origin: https://evil.example'))).toBe(403);
    expect(await at('localhost', 'X-Forwarded-Host: evil.example')).not.toContain('evil.example');
  });
});

describe('the assets', () => {
  test('are all there, from each page, with the type that they have', async () => {
    for (const path of PAGES) {
      const urls = await assetsOf(path);
      expect(urls.length).toBeGreaterThanOrEqual(3);
      for (const url of urls) {
        expect(url.pathname).toMatch(/^\/assets\/[\w-]+-[A-Z0-9]{8}\.(js|css|svg)$/);
        const response = await fetch(url);
        expect(response.status).toBe(200);
        expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
        expect(response.headers.get('x-content-type-options')).toBe('nosniff');
        const type = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' }[
          url.pathname.split('.').at(-1) ?? ''
        ];
        expect(response.headers.get('content-type')).toBe(`${type}; charset=utf-8`);
      }
    }
  });

  test('scripts that are loaded later are there too', async () => {
    const { assets } = await bundlePage(join(WEB_FOLDER, 'main.tsx'));
    expect(assets.length).toBeGreaterThan(3);
    for (const { name, content } of assets) {
      const response = await get(`/assets/${name}`);
      expect(Buffer.from(await response.arrayBuffer()).equals(content), name).toBe(true);
    }
  });

  test('are compressed as the browser can read it', async () => {
    const [script] = (await assetsOf('/')).filter(({ pathname }) => pathname.includes('main-'));
    const plain = await raw(`${script}`, 'identity');
    expect(plain.encoding).toBeUndefined();
    for (const [accept, encoding, decode] of [
      ['gzip, deflate, br, zstd', 'br', brotliDecompressSync],
      ['gzip', 'gzip', gunzipSync],
      ['gzip, br;q=0', 'gzip', gunzipSync],
    ] as const) {
      const answer = await raw(`${script}`, accept);
      expect(answer.encoding, accept).toBe(encoding);
      expect(answer.vary).toContain('Accept-Encoding');
      expect(answer.body.length).toBeLessThan(plain.body.length / 2);
      expect(decode(answer.body).equals(plain.body)).toBe(true);
      expect((await raw(`${script}`, accept)).body.equals(answer.body), 'the second time').toBe(true);
    }
    expect((await raw(`${script}`, 'zstd')).encoding).toBeUndefined();
  });

  test('are nothing but the files of the page', async () => {
    for (const path of [
      '/assets/../package.json',
      '/assets/..%2f..%2fpackage.json',
      '/assets/%2e%2e%2fmain.tsx',
      '/assets/..%5cmain.tsx',
      '/assets/main.tsx',
      '/assets/manifest.json',
      '/assets/%00',
      '/assets/__proto__',
      '/assets/main-AAAAAAAA.js',
      '/assets/',
      '/assets',
      '//assets/x',
    ]) {
      const answer = await say(
        server.http.port,
        wire(`GET ${path}`, ['Host: localhost', 'Accept: text/html']),
      );
      expect(statusOf(answer), path).toBe(404);
      expect(answer, path).toContain('Cache-Control: no-store');
      expect(answer, path).not.toContain('letta-opencode-plugin"');
    }
    expect(statusOf(await say(server.http.port, wire('GET /assets/%ff')))).toBe(400);
  });
});

test('everything is relative, so that it works below a path of a reverse proxy', async () => {
  const urls = async (page: string) => {
    const html = await (await get(page, NAVIGATION)).text();
    return [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map(
      ([, url = '']) => new URL(url, `https://example.org/tools/bridge${page}`).pathname,
    );
  };
  for (const page of PAGES) {
    for (const path of await urls(page)) expect(path).toMatch(/^\/tools\/bridge\/assets\/[^/]+$/);
  }
});

test('the built page of the package is served without its sources', async () => {
  await using folder = await tempDir('bridge-page-');
  const bundle = await bundlePage(join(WEB_FOLDER, 'main.tsx'));
  await writePage(folder.path, bundle);
  await using built = await startPageServer({ folder: folder.path });
  for (const url of await assetsOf('/tasks/task_1', built.origin))
    expect((await fetch(url)).status).toBe(200);
  expect((await fetch(`${built.origin}/assets/manifest.json`)).status).toBe(404);
  const [here, there] = await Promise.all(
    [server.origin, built.origin].map(async (origin) =>
      (await fetch(origin, { headers: NAVIGATION })).text(),
    ),
  );
  const needs = (authentication: string): string => `data-authentication="${authentication}"`;
  expect(here, 'needs a token').toContain(needs('token'));
  expect(there?.replace(TASKS_LINK, ''), 'needs none').toBe(here?.replace(needs('token'), needs('none')));
});

test('the tasks are read along with the scripts only by the page that shows all, and only without tokens', async () => {
  await using open = await startPageServer();
  const html = async (origin: string, path: string): Promise<string> =>
    (await fetch(`${origin}${path}`, { headers: NAVIGATION })).text();
  const [, href = ''] = TASKS_LINK.exec(await html(open.origin, '/')) ?? [];
  const { pathname, search } = new URL(href.replace('&amp;', '&'), 'https://example.org/tools/bridge/');
  expect(pathname + search).toBe('/tools/bridge/tasks?agent_id=*&limit=100');
  for (const path of [...PAGES.slice(1), '/?status=running', '/?']) {
    expect(await html(open.origin, path), path).not.toMatch(TASKS_LINK);
  }
  // With tokens no cookie opens anything without a header, and a link sends none.
  for (const path of PAGES) expect(await html(server.origin, path), path).not.toMatch(TASKS_LINK);
});

test('without the page the answer is 503 and says what to do, until it is there', async () => {
  await using folder = await tempDir('bridge-page-');
  const path = join(folder.path, 'web');
  await mkdir(path);
  await using empty = await startPageServer({ folder: path });
  for (const url of ['/', '/assets/main.js', '/tasks/task_1']) {
    const response = await fetch(`${empty.origin}${url}`, { headers: NAVIGATION });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      code: 'UNSUPPORTED',
      next: expect.stringContaining('WEB_UI=false'),
    });
  }
  // The API does not need it.
  expect((await empty.api.get('/tasks')).status).toBe(200);
  await writePage(path, await bundlePage(join(WEB_FOLDER, 'main.tsx')));
  expect((await fetch(empty.origin, { headers: NAVIGATION })).status).toBe(200);
});

test('a checkout in which a package is missing says so', async () => {
  await using folder = await tempDir('bridge-page-');
  await writeFile(join(folder.path, 'main.tsx'), "import 'no-such-package/of-it.css';");
  await using broken = await startPageServer({ folder: folder.path });
  const response = await fetch(broken.origin, { headers: NAVIGATION });
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({
    detail: 'The page is not built: no-such-package/of-it.css is not installed.',
    next: expect.stringContaining('npm ci'),
  });
});

test('an error in the sources is in the log, not in the answer', async () => {
  await using folder = await tempDir('bridge-page-');
  await writeFile(join(folder.path, 'main.tsx'), 'this is no TypeScript');
  await using broken = await startPageServer({ folder: folder.path });
  const response = await fetch(broken.origin, { headers: NAVIGATION });
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain(folder.path);
  expect(broken.bridge.logger.lines.join('\n')).toContain('a request failed');
});

test('WEB_UI=false: none of the paths exists', async () => {
  await using plain = await startServer({ page: undefined });
  for (const path of ['/', '/new', '/system', '/sign-in', '/session', '/assets/x', '/tasks/task_1']) {
    const response = await fetch(`${plain.http.url}${path}`, { headers: NAVIGATION });
    expect(response.status, path).toBe(404);
    expect(response.headers.get('content-type')).toContain('application/problem+json');
  }
});

/** A response as it is on the wire; fetch would decode it. */
function raw(url: string, acceptEncoding: string) {
  return new Promise<{ encoding: string | undefined; vary: string | undefined; body: Buffer }>(
    (resolve, reject) => {
      const sent = httpRequest(url, { headers: { 'accept-encoding': acceptEncoding } }, async (response) => {
        const body = Buffer.from(await text(response.setEncoding('latin1')), 'latin1');
        const { 'content-encoding': encoding, vary } = response.headers;
        resolve({ encoding, vary, body });
      });
      sent.on('error', reject).end();
    },
  );
}
