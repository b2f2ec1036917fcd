import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, readlink, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { allFiles, archive } from '../../src/workspaces/archive.ts';
import { openTaskFile } from '../../src/workspaces/open-file.ts';
import { tempDir } from '../support/temp.ts';

const run = promisify(execFile);
const LIMITS = { bytes: 1_000_000, entries: 100 };

async function folders() {
  const temp = await tempDir('archive-');
  const [root, out] = [join(temp.path, 'task'), join(temp.path, 'out')];
  await mkdir(root);
  await mkdir(out);
  return { root, out, [Symbol.asyncDispose]: () => temp.remove() };
}

async function unpack(root: string, out: string, limits = LIMITS): Promise<string[]> {
  const file = join(out, 'a.tar');
  await pipeline(await archive(root, await allFiles(root), limits), createWriteStream(file));
  await run('tar', ['-xf', file, '-C', out]);
  return (await run('tar', ['-tf', file, '--quoting-style=literal'])).stdout.split('\n').filter(Boolean);
}

it('holds every file, byte for byte, as tar itself reads it', async () => {
  await using at = await folders();
  const long = `${'deep/'.repeat(30)}${'n'.repeat(150)}.txt`;
  const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, n) => n % 256));
  const files = {
    'a.txt': 'hello\n',
    'Ünï 中.txt': 'x',
    empty: '',
    [long]: 'deep',
    'bin/run.sh': '#!/bin/sh\n',
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(at.root, name, '..'), { recursive: true });
    await writeFile(join(at.root, name), content, { mode: name.endsWith('.sh') ? 0o755 : 0o644 });
  }
  await writeFile(join(at.root, 'bytes'), bytes);
  await mkdir(join(at.root, '.git'));
  await writeFile(join(at.root, '.git/config'), 'not told');
  await symlink('a.txt', join(at.root, 'inside'));
  const names = await unpack(at.root, at.out);
  expect(names.sort()).toEqual([...Object.keys(files), 'bytes', 'inside'].sort());
  for (const [name, content] of Object.entries(files)) {
    expect(await readFile(join(at.out, name), 'utf8')).toBe(content);
  }
  expect(bytes.equals(await readFile(join(at.out, 'bytes')))).toBe(true);
  expect(await readlink(join(at.out, 'inside'))).toBe('a.txt');
});

it('leaves out what leads out of the folder, and what is no file', async () => {
  await using at = await folders();
  await symlink('/etc/passwd', join(at.root, 'absolute'));
  await symlink('../../secret', join(at.root, 'up'));
  await symlink('/etc', join(at.root, 'etc'));
  await run('mkfifo', [join(at.root, 'pipe')]);
  await writeFile(join(at.root, 'kept'), 'x');
  expect(await unpack(at.root, at.out)).toEqual(['kept']);
  const packed = await archive(at.root, ['etc/passwd', '../x', 'kept'], LIMITS).catch((error) => error);
  expect(packed).toMatchObject({ code: 'INVALID_INPUT' });
});

it('refuses more than its limits before anything is packed', async () => {
  await using at = await folders();
  for (const n of [1, 2, 3]) await writeFile(join(at.root, `${n}`), 'x'.repeat(10));
  const all = ['1', '2', '3'];
  await expect(archive(at.root, all, { bytes: 29, entries: 3 })).rejects.toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
  });
  await expect(archive(at.root, all, { bytes: 99, entries: 2 })).rejects.toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
  });
  await expect(allFiles(at.root, 2)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
});

it('fails where a file changes while it is packed, rather than end as if it were whole', async () => {
  await using at = await folders();
  await writeFile(join(at.root, 'a'), 'x'.repeat(500_000));
  await writeFile(join(at.root, 'b'), 'x'.repeat(500_000));
  const packed = await archive(at.root, ['a', 'b']);
  await truncate(join(at.root, 'b'), 10);
  await expect(packed.toArray()).rejects.toThrow(/b changed/);
});

it('reads any part of a file, and fails where it has become shorter', async () => {
  await using at = await folders();
  const path = join(at.root, 'sparse');
  await writeFile(path, 'begin');
  await truncate(path, 10_000_000_000);
  const file = await openTaskFile(at.root, 'sparse', 'path');
  expect(file).toMatchObject({ size: 10_000_000_000 });
  const part = Buffer.concat(await file.read(3, 6).toArray());
  expect([...part]).toEqual([...Buffer.from('in\0\0')]);
  await truncate(path, 4);
  await expect(file.read(3, 6).toArray()).rejects.toThrow(/shorter/);
  const { etag } = file;
  await file.close();
  const now = await openTaskFile(at.root, 'sparse', 'path');
  expect(now.etag).not.toBe(etag);
  await now.close();
});
