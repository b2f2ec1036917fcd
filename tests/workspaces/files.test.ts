import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listDirectory, readTaskFile } from '../../src/workspaces/files.ts';
import { temporaryFolder, write } from './folder.ts';

const maxSize = 1_000_000;

function setUp(files: Record<string, string | Buffer> = {}) {
  const base = temporaryFolder();
  const root = join(base, 'task');
  mkdirSync(root);
  write(root, files);
  write(base, { 'task-evil/secret.txt': 'secret', 'secret.txt': 'secret' });
  return { base, root };
}

async function readAll(root: string, path: string, limit: number) {
  const pages = [];
  for (let offset = 0; ; ) {
    const page = await readTaskFile(root, path, { offset, limit, maxSize });
    pages.push(page);
    if (!page.truncated) return pages;
    expect(page.content.length).toBeGreaterThan(0);
    offset += page.content.length;
  }
}

describe('listDirectory', () => {
  test('lists one folder, sorted, without .git and special files', async () => {
    const { root } = setUp({ 'b.txt': 'bb', 'a/inner.txt': 'x', '.git/HEAD': 'x', 'ż ó.txt': '' });
    symlinkSync('/etc/passwd', join(root, 'link'));
    execFileSync('mkfifo', [join(root, 'fifo')]);
    expect(await listDirectory(root)).toEqual({
      entries: [
        { path: 'a', type: 'directory', size: 0 },
        { path: 'b.txt', type: 'file', size: 2 },
        { path: 'link', type: 'symlink', size: 11 },
        { path: 'ż ó.txt', type: 'file', size: 0 },
      ],
      truncated: false,
    });
    expect((await listDirectory(root, 'a')).entries).toEqual([
      { path: 'a/inner.txt', type: 'file', size: 1 },
    ]);
    expect((await listDirectory(root, join(root, 'a'))).entries).toHaveLength(1);
  });

  test('stops at 1000 entries', async () => {
    const { root } = setUp(Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`f${n}`, ''])));
    const { entries, truncated } = await listDirectory(root);
    expect([entries.length, truncated]).toEqual([1000, true]);
  });

  test('refuses what is outside, missing or no folder', async () => {
    const { base, root } = setUp({ 'a.txt': '' });
    symlinkSync(base, join(root, 'up'));
    for (const path of ['..', '/', 'up', '../task-evil', 'a\0']) {
      await expect(listDirectory(root, path)).rejects.toThrow(/^path .*outside the task's directory/);
    }
    await expect(listDirectory(root, 'nope')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(listDirectory(root, 'a.txt')).rejects.toThrow('path "a.txt" is not a folder');
  });
});

describe('readTaskFile stays inside', () => {
  test('relative, absolute and linked paths inside are read', async () => {
    const { root } = setUp({ 'sub/a.txt': 'content' });
    symlinkSync('sub/a.txt', join(root, 'link'));
    for (const path of ['sub/a.txt', './sub/../sub/a.txt', join(root, 'sub/a.txt'), 'link']) {
      expect((await readTaskFile(root, path, { maxSize })).content.toString()).toBe('content');
    }
  });

  test.each([
    '../../etc/passwd',
    '../secret.txt',
    '../task-evil/secret.txt',
    '/etc/passwd',
    'passwd',
    'up/secret.txt',
    'up/task-evil/secret.txt',
    'chain',
    'a\0.txt',
  ])('refuses %j', async (path) => {
    const { base, root } = setUp();
    symlinkSync('/etc/passwd', join(root, 'passwd'));
    symlinkSync('passwd', join(root, 'chain'));
    symlinkSync(base, join(root, 'up'));
    const refused = expect(readTaskFile(root, path, { maxSize })).rejects;
    await refused.toMatchObject({ code: 'INVALID_INPUT' });
    await refused.toThrow(`file_path ${JSON.stringify(path)} `);
    await refused.toThrow("outside the task's directory");
  });

  test('a missing file has an error code of its own', async () => {
    const { root } = setUp({ 'a.txt': '' });
    symlinkSync('nowhere', join(root, 'dangling'));
    for (const path of ['nope.txt', 'a.txt/b', 'dangling']) {
      await expect(readTaskFile(root, path, { maxSize })).rejects.toMatchObject({
        code: 'FILE_NOT_FOUND',
        message: `file_path ${JSON.stringify(path)} does not exist.`,
      });
    }
  });

  test('folders, fifos, sockets and link loops are refused without waiting', async () => {
    const { root } = setUp({ 'folder/a.txt': '' });
    execFileSync('mkfifo', [join(root, 'fifo')]);
    symlinkSync('loop', join(root, 'loop'));
    const server = createServer();
    await new Promise<void>((done) => server.listen(join(root, 'socket'), done));
    try {
      for (const path of ['folder', '.', '', 'fifo', 'socket']) {
        const refused = expect(readTaskFile(root, path, { maxSize })).rejects;
        await refused.toMatchObject({ code: 'INVALID_INPUT' });
        await refused.toThrow(`file_path ${JSON.stringify(path)} is not a regular file`);
      }
      await expect(readTaskFile(root, 'loop', { maxSize })).rejects.toThrow(
        '"loop" cannot be opened (ELOOP)',
      );
    } finally {
      await new Promise((done) => server.close(done));
    }
  });

  test.each([
    [{ offset: -1 }, 'offset -1'],
    [{ offset: 1.5 }, 'offset 1.5'],
    [{ offset: Number.NaN }, 'offset null'],
    [{ limit: 0 }, 'limit 0'],
    [{ limit: -5 }, 'limit -5'],
    [{ limit: 2.5 }, 'limit 2.5'],
  ])('refuses %j', async (request, named) => {
    const { root } = setUp({ 'a.txt': 'a' });
    const refused = expect(readTaskFile(root, 'a.txt', { ...request, maxSize })).rejects;
    await refused.toMatchObject({ code: 'INVALID_INPUT' });
    await refused.toThrow(named);
  });
});

describe('readTaskFile is exact', () => {
  const binary = Buffer.from(Array.from({ length: 600 }, (_, n) => (n * 7) % 256));
  const text = 'a ż 漢 📄 e\u0301\r\n'.repeat(10);

  test.each([
    ['empty.txt', '', true, 'text/plain'],
    ['end.md', 'line\n', true, 'text/markdown'],
    ['no-end', 'line', true, 'text/plain'],
    ['crlf.csv', '\uFEFFa\r\n', true, 'text/csv'],
    ['data.bin', binary, false, 'application/octet-stream'],
    ['nul.TXT', 'a\0b', false, 'application/octet-stream'],
    ['cut.txt', Buffer.from([0x61, 0xe2, 0x82]), false, 'application/octet-stream'],
    ['pic.PNG', binary, false, 'image/png'],
    ['a.test.ts', 'x', true, 'text/x-typescript'],
  ])('%s', async (name, content, isText, mediaType) => {
    const { root } = setUp({ [name]: content });
    const bytes = Buffer.from(content);
    const page = await readTaskFile(root, name, { maxSize });
    expect(page).toEqual({
      content: bytes,
      size: bytes.length,
      offset: 0,
      truncated: false,
      mediaType,
      isText,
    });
  });

  test.each([1, 2, 3, 4, 5, 7, 64, 1000])('pages of %d bytes add up and cut no character', async (limit) => {
    const { root } = setUp({ 'a.txt': text, 'a.bin': binary });
    const pages = await readAll(root, 'a.txt', limit);
    expect(Buffer.concat(pages.map(({ content }) => content)).toString()).toBe(text);
    expect(pages.map(({ content }) => content.toString()).join('')).toBe(text);
    for (const page of pages) {
      expect(page.isText).toBe(true);
      expect(page.content.length).toBeLessThanOrEqual(Math.max(limit, 4));
    }
    const raw = await readAll(root, 'a.bin', limit);
    expect(Buffer.concat(raw.map(({ content }) => content))).toEqual(binary);
    expect(raw.every((page) => !page.isText)).toBe(true);
  });

  test('maxSize bounds one answer, whatever the limit', async () => {
    const { root } = setUp({ 'a.txt': 'x'.repeat(100) });
    for (const limit of [undefined, 50, 1000]) {
      const page = await readTaskFile(root, 'a.txt', { limit, maxSize: 10 });
      expect([page.content.length, page.truncated, page.size]).toEqual([10, true, 100]);
    }
    const last = await readTaskFile(root, 'a.txt', { offset: 90, maxSize: 10 });
    expect([last.content.length, last.truncated]).toEqual([10, false]);
  });

  test('past the end there is nothing', async () => {
    const { root } = setUp({ 'a.txt': 'abc' });
    for (const offset of [3, 1000, Number.MAX_SAFE_INTEGER]) {
      const page = await readTaskFile(root, 'a.txt', { offset, maxSize });
      expect([page.content.length, page.truncated, page.offset]).toEqual([0, false, offset]);
    }
  });

  test('text is decided by the first 64 kB, also across their edge; a broken page is bytes', async () => {
    const long = `${'x'.repeat(65_535)}ż${'y'.repeat(100_000)}`;
    const late = Buffer.concat([
      Buffer.from('x'.repeat(70_000)),
      Buffer.from([0xff, 0, 0xfe]),
      Buffer.from('end'),
    ]);
    const { root } = setUp({ 'long.log': long, 'late.log': late });
    const pages = await readAll(root, 'long.log', 30_001);
    expect(pages.every((page) => page.isText && page.mediaType === 'text/plain')).toBe(true);
    expect(Buffer.concat(pages.map(({ content }) => content)).toString()).toBe(long);
    const broken = await readAll(root, 'late.log', 30_000);
    expect(broken.map(({ isText }) => isText)).toEqual([true, true, false]);
    expect(Buffer.concat(broken.map(({ content }) => content))).toEqual(late);
    const inside = await readTaskFile(root, 'long.log', { offset: 65_536, limit: 10, maxSize });
    expect([inside.isText, inside.content.length]).toEqual([false, 10]);
  });
});
