import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdirSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listDirectory, readTaskFile } from '../../src/workspaces/files.ts';
import { shortChanges, temporaryFolder, trackerIn, write } from './folder.ts';

const maxSize = 1_000;

function setUp() {
  const base = temporaryFolder();
  const root = join(base, 'task');
  write(base, { 'task/own/own.txt': 'own', 'other/secret.txt': 'secret', 'other/own.txt': 'secret' });
  return { base, root, other: join(base, 'other') };
}

describe("what the task puts in its folder's place", () => {
  test('a link instead of the folder itself leads nowhere', async () => {
    const { base, root, other } = setUp();
    renameSync(root, join(base, 'moved'));
    symlinkSync(other, root);
    const replaced = { code: 'INVALID_STATE', message: expect.stringContaining('has been replaced') };
    await expect(readTaskFile(root, 'secret.txt', { maxSize })).rejects.toMatchObject(replaced);
    await expect(readTaskFile(root, join(root, 'secret.txt'), { maxSize })).rejects.toMatchObject(replaced);
    await expect(listDirectory(root)).rejects.toMatchObject(replaced);
  });

  test('nor does a link instead of a folder above it', async () => {
    const { base, root } = setUp();
    renameSync(base, `${base}-moved`);
    try {
      write(`${base}-moved`, { 'fake/task/own.txt': 'secret' });
      symlinkSync(join(`${base}-moved`, 'fake'), base);
      const refused = readTaskFile(root, 'own.txt', { maxSize });
      await expect(refused).rejects.toThrow('has been replaced');
    } finally {
      renameSync(base, join(`${base}-moved`, 'link'));
      renameSync(`${base}-moved`, base);
    }
  });

  test('its symlink is listed as one change and not followed', async () => {
    const { base, root, other } = setUp();
    const tracker = trackerIn(base);
    await tracker.begin('t', root);
    renameSync(root, join(base, 'moved'));
    symlinkSync(other, root);
    expect(await shortChanges(tracker, root)).toEqual(['D own/own.txt +0 -1']);
    const { patch } = await tracker.patch('t', root, undefined, 10_000);
    expect(patch).not.toContain('secret');
  });

  test('files behind a symlink above the folder are not listed', async () => {
    const base = temporaryFolder();
    const snapshots = temporaryFolder();
    write(base, { 'app/task/own.txt': 'own', 'other/task/own.txt': 'secret' });
    const root = join(base, 'app', 'task');
    const tracker = trackerIn(snapshots);
    await tracker.begin('t', root);
    renameSync(join(base, 'app'), join(base, 'moved'));
    symlinkSync(join(base, 'other'), join(base, 'app'));
    expect(await shortChanges(tracker, root)).toEqual(['D own.txt +0 -1']);
    expect((await tracker.patch('t', root, undefined, 10_000)).patch).not.toContain('secret');
  });

  test('a folder that is swapped with a symlink all the time shows only its own files', async () => {
    const { root, other } = setUp();
    symlinkSync(other, join(root, 'link'));
    const swap = `const { renameSync } = require('node:fs'); process.stdout.write('.');
      for (;;) for (const [a, b] of [['own', 'x'], ['link', 'own'], ['own', 'link'], ['x', 'own']]) renameSync(a, b);`;
    const swapper = spawn(process.execPath, ['-e', swap], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const seen = new Set<string>();
    const note = async (look: () => Promise<string[]>): Promise<void> => {
      for (const text of await look().catch((error: unknown) => [refusalOf(error)])) seen.add(text);
    };
    try {
      await once(swapper.stdout, 'data');
      for (let round = 0; round < 3_000; round += 1) {
        await note(async () => (await listDirectory(root, 'own')).entries.map(({ path }) => path));
        await note(async () => [(await readTaskFile(root, 'own/own.txt', { maxSize })).content.toString()]);
      }
    } finally {
      const exited = once(swapper, 'exit');
      swapper.kill('SIGKILL');
      await exited;
    }
    expect(seen).toContain('own/own.txt');
    const allowed = ['own', 'own/own.txt', 'INVALID_INPUT', 'FILE_NOT_FOUND'];
    expect([...seen].filter((text) => !allowed.includes(text))).toEqual([]);
  });
});

describe('odd files', () => {
  const ODD = ['a\nb', 'esc\x1b[2J', '..\\x', 'c1\u009b', 'tab\t', ' ', '-rf', '"q"', ':(top)', '%2e%2e'];

  test('names with control characters and syntax are listed and read as they are', async () => {
    const { base, root } = setUp();
    const tracker = trackerIn(base);
    await tracker.begin('t', root);
    for (const name of ODD) writeFileSync(join(root, name), `in ${name}`);
    const listed = (await listDirectory(root)).entries.map(({ path }) => path);
    expect(listed.sort()).toEqual([...ODD, 'own'].sort());
    for (const name of ODD) {
      expect((await readTaskFile(root, name, { maxSize })).content.toString()).toBe(`in ${name}`);
    }
    const changed = (await tracker.changes('t', root)).map(({ path }) => path);
    expect(changed.sort()).toEqual([...ODD].sort());
    const { patch } = await tracker.patch('t', root, 'esc\x1b[2J', 10_000);
    expect(patch).toContain(String.raw`"b/esc\033[2J"`);
  });

  test('a name that is no UTF-8 spoils nothing', async () => {
    const { base, root } = setUp();
    const tracker = trackerIn(base);
    await tracker.begin('t', root);
    writeFileSync(Buffer.concat([Buffer.from(join(root, 'bad')), Buffer.from([0xff, 0xfe])]), 'x');
    expect((await listDirectory(root)).entries).toMatchObject([{ path: 'own' }]);
    expect(await shortChanges(tracker, root)).toEqual(['A bad\ufffd\ufffd +1 -0']);
  });

  test('a page of a terabyte is read, not the terabyte', async () => {
    const { root } = setUp();
    writeFileSync(join(root, 'huge'), 'head');
    truncateSync(join(root, 'huge'), 2 ** 40);
    const page = await readTaskFile(root, 'huge', { offset: 2 ** 39, maxSize });
    expect(page).toMatchObject({ size: 2 ** 40, truncated: true, isText: false });
    expect(page.content).toEqual(Buffer.alloc(maxSize));
  });

  test('devices are neither listed nor read', async () => {
    const { root } = setUp();
    for (const device of ['/dev/zero', '/dev/random']) {
      await expect(readTaskFile('/dev', device, { maxSize })).rejects.toThrow('is not a regular file');
    }
    expect((await listDirectory('/dev')).entries.map(({ path }) => path)).not.toContain('zero');
    // A hard link is the file itself and cannot be recognized as one (docs/security.md).
    mkdirSync(join(root, 'links'));
    linkSync(join(root, 'own/own.txt'), join(root, 'links/hard'));
    expect((await readTaskFile(root, 'links/hard', { maxSize })).content.toString()).toBe('own');
  });
});

function refusalOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
