import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { say, statusOf, wire } from './raw.ts';
import { startApi } from './rest.ts';

const HTML = '<script>alert(1)</script>';
const BYTES = Buffer.from(Array.from({ length: 200_000 }, (_, n) => n % 251));

let server: Awaited<ReturnType<typeof startApi>>;
let id: string;
let directory: string;

beforeAll(async () => {
  server = await startApi();
  id = await server.api.start();
  const turn = await server.runner.turnOf(id);
  ({ directory } = (await server.api.get(`/tasks/${id}`)).body);
  await mkdir(join(directory, 'sub dir'));
  await writeFile(join(directory, 'sub dir/ü 中.txt'), 'grüezi\n');
  await writeFile(join(directory, 'page.html'), HTML);
  await writeFile(join(directory, 'bytes.bin'), BYTES);
  await writeFile(join(directory, 'empty'), '');
  await symlink('/etc/passwd', join(directory, 'passwd'));
  await symlink('/etc', join(directory, 'etc'));
  turn.tool('bash', 'make');
  turn.complete('made');
  await server.api.get(`/tasks/${id}/status?wait_ms=20000`);
});
afterAll(() => server[Symbol.asyncDispose]());

const file = (path: string, headers: Record<string, string> = {}) =>
  server.api.fetch('GET', `/tasks/${id}/files/${path}`, undefined, headers);

describe('a file', () => {
  test('comes byte for byte, whatever its name', async () => {
    const bytes = await file('bytes.bin');
    expect(Buffer.from(await bytes.arrayBuffer()).equals(BYTES)).toBe(true);
    expect(bytes.headers.get('content-length')).toBe('200000');
    const text = await file(encodeURI('sub dir/ü 中.txt'));
    expect([text.status, await text.text(), text.headers.get('content-type')]).toEqual([
      200,
      'grüezi\n',
      'text/plain; charset=utf-8',
    ]);
    expect(await (await file('sub%20dir%2F%C3%BC%20%E4%B8%AD.txt')).text()).toBe('grüezi\n');
    expect((await file('empty')).headers.get('content-length')).toBe('0');
  });

  test.each([
    ['bytes=0-9', 206, 'bytes 0-9/200000', BYTES.subarray(0, 10)],
    ['bytes=199990-', 206, 'bytes 199990-199999/200000', BYTES.subarray(199_990)],
    ['bytes=-3', 206, 'bytes 199997-199999/200000', BYTES.subarray(-3)],
    ['bytes=199999-300000', 206, 'bytes 199999-199999/200000', BYTES.subarray(-1)],
    ['bytes=0-1,5-6', 200, null, BYTES],
    ['bytes=x', 200, null, BYTES],
    ['lines=0-1', 200, null, BYTES],
  ])('range %s', async (range, status, content, expected) => {
    const part = await file('bytes.bin', { range });
    expect([part.status, part.headers.get('content-range')]).toEqual([status, content]);
    expect(Buffer.from(await part.arrayBuffer()).equals(expected)).toBe(true);
  });

  test.each(['script', 'style', 'worker', 'serviceworker'])(
    'is not run by a page: %s',
    async (destination) => {
      const { status, body } = await server.api.get(`/tasks/${id}/files/page.html`, {
        'sec-fetch-dest': destination,
      });
      expect([status, body.code]).toEqual([403, 'FORBIDDEN']);
    },
  );

  test.each(['empty', 'image', 'document', 'iframe'])('is shown to a page: %s', async (destination) => {
    expect((await file('page.html', { 'sec-fetch-dest': destination })).status).toBe(200);
  });

  test('a range outside of it is 416, and says its size', async () => {
    const { status, body } = await server.api.get(`/tasks/${id}/files/bytes.bin`, { range: 'bytes=200000-' });
    expect([status, body.code]).toEqual([416, 'RANGE_NOT_SATISFIABLE']);
    expect(body.detail).toContain('200000 bytes');
  });

  test('that is the same is not sent again', async () => {
    const etag = (await file('page.html')).headers.get('etag') ?? '';
    const again = await file('page.html', { 'if-none-match': etag });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect((await file('page.html', { 'if-none-match': '"other"' })).status).toBe(200);
    expect((await file('bytes.bin', { range: 'bytes=0-1', 'if-range': '"other"' })).status).toBe(200);
    await writeFile(join(directory, 'page.html'), `${HTML} `);
    expect((await file('page.html', { 'if-none-match': etag })).status).toBe(200);
  });

  test('is never run by a browser', async () => {
    const { headers } = await file('page.html');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    expect(headers.get('content-disposition')).toBeNull();
    const saved = await file('page.html?download=true');
    expect(saved.headers.get('content-disposition')).toBe('attachment; filename=page.html');
    expect(saved.headers.get('content-type')).toBe('text/html; charset=utf-8');
  });

  test.each([
    ['passwd', 400],
    ['etc/passwd', 400],
    ['%2e%2e%2f%2e%2e%2fdata', 400],
    ['..%2f..%2fetc%2fpasswd', 400],
    ['sub%20dir%2f..%2f..%2f..%2fx', 400],
    ['%2fetc%2fpasswd', 400],
    ['a%00b', 400],
    ['nothing', 404],
    ['sub%20dir', 400],
    ['%ff', 400],
  ])('a path out of the task is refused: %s', async (path, status) => {
    const { body, status: given } = await server.api.get(`/tasks/${id}/files/${path}`);
    expect([given, JSON.stringify(body)]).toEqual([status, expect.not.stringContaining('root:')]);
    const raw = await say(server.http.port, wire(`GET /tasks/${id}/files/${path}`));
    expect(statusOf(raw)).toBe(status);
  });

  test('dots that no client resolved lead nowhere either', async () => {
    const raw = await say(server.http.port, wire(`GET /tasks/${id}/files/../../../../etc/passwd`));
    expect(statusOf(raw)).toBe(400);
    expect(raw).not.toContain('root:');
  });
});

test('the list has what changed, and the entries of a folder', async () => {
  const { body } = await server.api.get(`/tasks/${id}/files`);
  expect(body.changes.map(({ path }: { path: string }) => path).sort()).toEqual(
    ['bytes.bin', 'empty', 'etc', 'page.html', 'passwd', 'sub dir/ü 中.txt'].sort(),
  );
  expect(body.total).toBe(6);
  const folder = await server.api.get(`/tasks/${id}/files?path=sub%20dir`);
  expect(folder.body.entries).toEqual([{ path: 'sub dir/ü 中.txt', type: 'file', size: 8 }]);
  expect((await server.api.get(`/tasks/${id}/files?path=page.html`)).status).toBe(400);
});

test('the diff is text, of all files or of one, in parts', async () => {
  const all = await server.api.fetch('GET', `/tasks/${id}/diff`);
  expect(all.headers.get('content-type')).toBe('text/x-diff; charset=utf-8');
  const patch = await all.text();
  expect(patch).toContain('+<script>alert(1)</script>');
  const one = await server.api.get(`/tasks/${id}/diff?path=page.html`);
  expect(one.body).not.toContain('grüezi');
  let read = '';
  for (let offset: string | null = '0'; offset !== null; ) {
    const part: Response = await server.api.fetch('GET', `/tasks/${id}/diff?limit=200&offset=${offset}`);
    read += await part.text();
    offset = part.headers.get('next-offset');
  }
  expect(read).toBe(patch);
  expect((await server.api.get(`/tasks/${id}/diff?path=../x`)).status).toBe(400);
});

test('the archive is what tar reads', async () => {
  const response = await server.api.fetch('GET', `/tasks/${id}/archive`);
  expect(response.headers.get('content-disposition')).toBe(`attachment; filename=${id}.tar`);
  const path = join(server.bridge.folder, 'a.tar');
  await writeFile(path, Buffer.from(await response.arrayBuffer()));
  const { stdout } = await promisify(execFile)('tar', ['-tf', path, '--quoting-style=literal']);
  expect(stdout.split('\n').filter(Boolean)).toEqual(['bytes.bin', 'empty', 'page.html', 'sub dir/ü 中.txt']);
  expect((await server.api.send('HEAD', `/tasks/${id}/archive`)).body).toBe('');
});

test('a task that has not begun has changed nothing', async () => {
  await using idle = await startApi({ limits: { maxConcurrent: 1 } });
  await idle.api.start();
  const queued = await idle.api.start();
  expect((await idle.api.get(`/tasks/${queued}/files`)).body).toMatchObject({ changes: [], total: 0 });
  expect((await idle.api.get(`/tasks/${queued}/diff`)).body).toBe('');
});
