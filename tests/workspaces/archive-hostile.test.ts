import { execFile } from 'node:child_process';
import { readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { appendFile, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { allFiles, archive } from '../../src/workspaces/archive.ts';
import { openTaskFile } from '../../src/workspaces/open-file.ts';
import { tempDir } from '../support/temp.ts';

const run = promisify(execFile);

async function folders() {
  const temp = await tempDir('archive-');
  const [root, out] = [join(temp.path, 'task'), join(temp.path, 'out')];
  await mkdir(root);
  await mkdir(out);
  return { root, out, [Symbol.asyncDispose]: () => temp.remove() };
}

const pack = async (root: string): Promise<Readable> => archive(root, await allFiles(root));
const bytesOf = async (stream: Readable): Promise<Buffer> => Buffer.concat(await stream.toArray());

/** Unpacks with tar, which must have nothing to say. */
async function unpack(packed: Buffer, out: string): Promise<string[]> {
  const file = join(out, '..', 'a.tar');
  await writeFile(file, packed);
  const { stderr } = await run('tar', ['--warning=no-timestamp', '-xf', file, '-C', out]);
  expect(stderr).toBe('');
  const { stdout } = await run('find', ['.', '-mindepth', '1', '-printf', '%P\\0'], { cwd: out });
  return stdout.split('\0').filter(Boolean).sort();
}

/** The files of a folder that this process has open. */
function openIn(root: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(root) ? [path] : [];
    } catch {
      return []; // the one that lists
    }
  });
}

/** Resolves when no file of the folder is open. */
async function closed(root: string): Promise<void> {
  while (openIn(root).length > 0) await turn();
}

/** In place: the file is never shorter meanwhile. */
const overwrite = (path: string, content: string) => writeFile(path, content, { flag: 'r+' });
/** Later than any time that a file has by itself. */
const later = (path: string) => utimes(path, new Date(), new Date(Date.now() + 5_000));

describe('an archive', () => {
  it('has the same bytes each time, whatever the order of the folder', async () => {
    await using at = await folders();
    for (const name of ['b', 'a', 'c/d', 'C']) {
      await mkdir(join(at.root, name, '..'), { recursive: true });
      await writeFile(join(at.root, name), name);
    }
    const paths = await allFiles(at.root);
    const one = await bytesOf(await archive(at.root, paths));
    const other = await bytesOf(await archive(at.root, paths.toReversed()));
    expect(one.equals(other)).toBe(true);
  });

  it('can be unpacked whatever times and names its files have', async () => {
    await using at = await folders();
    const names = ['a\nb', '-rf', ' ', 'back\\slash', 'ü'.repeat(120), '*', '\'"$(id)'];
    for (const name of names) await writeFile(join(at.root, name), 'x');
    for (const [year, name] of [
      [1960, 'old'],
      [2100, 'new'],
    ] as const) {
      await writeFile(join(at.root, name), 'x');
      await utimes(join(at.root, name), new Date(), new Date(Date.UTC(year, 1)));
    }
    expect(await unpack(await bytesOf(await pack(at.root)), at.out)).toEqual([...names, 'new', 'old'].sort());
  });

  it('holds no link that leads out of where it is unpacked, not even by way of another', async () => {
    await using at = await folders();
    await mkdir(join(at.root, 'sub/deep'), { recursive: true });
    await writeFile(join(at.root, 'kept'), 'x');
    const links = {
      'sub/top': '..',
      'sub/out': 'top/../../secret',
      'sub/sly': 'deep/../../..',
      'sub/turn': 'top/../x',
      'sub/kept': '../kept',
      'sub/dots': './.././kept',
      dangling: 'nowhere/yet',
      absolute: join(at.root, 'kept'),
    };
    for (const [name, target] of Object.entries(links)) await symlink(target, join(at.root, name));
    const unpacked = await unpack(await bytesOf(await pack(at.root)), at.out);
    expect(unpacked).toEqual(['dangling', 'kept', 'sub', 'sub/dots', 'sub/kept', 'sub/top']);
    for (const name of ['sub/dots', 'sub/kept', 'sub/top']) {
      expect(realpathSync(join(at.out, name)).startsWith(at.out)).toBe(true);
    }
  });

  it('leaves out what lies behind a link', async () => {
    await using at = await folders();
    await mkdir(join(at.root, 'real'));
    await writeFile(join(at.root, 'real/x'), 'x');
    await symlink('real', join(at.root, 'link'));
    const packed = await bytesOf(await archive(at.root, ['link/x', 'real/x', 'gone']));
    expect(await unpack(packed, at.out)).toEqual(['real', 'real/x']);
  });

  it.each(['before', 'while'])(
    'does not end where a file is written %s it is packed, its size the same',
    async (when) => {
      await using at = await folders();
      const file = join(at.root, 'a');
      const content = 'x'.repeat(3_000_000);
      await writeFile(file, content);
      const packed = await pack(at.root);
      if (when === 'while') await new Promise((read) => packed.once('readable', read));
      await overwrite(file, content.replaceAll('x', 'y'));
      await later(file);
      await expect(packed.toArray()).rejects.toThrow(/changed|was written/);
      await closed(at.root);
    },
  );

  it('does not end where a file has grown', async () => {
    await using at = await folders();
    const file = join(at.root, 'a');
    await writeFile(file, 'x'.repeat(3_000_000));
    const packed = await pack(at.root);
    await new Promise((read) => packed.once('readable', read));
    await appendFile(file, 'more');
    await expect(packed.toArray()).rejects.toThrow(/changed/);
  });

  it.each(['never read', 'read in part'])('that is %s and dropped leaves no file open', async (how) => {
    await using at = await folders();
    for (const name of ['a', 'b']) await writeFile(join(at.root, name), 'x'.repeat(3_000_000));
    const packed = await pack(at.root);
    if (how === 'read in part') await new Promise((read) => packed.once('data', read));
    packed.destroy();
    await closed(at.root);
  });

  it('of a folder with more files than are allowed is refused before all are listed', async () => {
    await using at = await folders();
    for (let n = 0; n < 300; n += 1) await writeFile(join(at.root, `${n}`), '');
    await expect(allFiles(at.root, 299)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    expect(await allFiles(at.root, 300)).toHaveLength(300);
    expect(openIn(at.root)).toEqual([]);
  });
});

describe('a file that is read', () => {
  async function opened(content: string) {
    const at = await folders();
    const path = join(at.root, 'a');
    await writeFile(path, content);
    return { ...at, path, file: await openTaskFile(at.root, 'a', 'path') };
  }

  it('and written anew meanwhile fails before its last bytes', async () => {
    await using at = await opened('x'.repeat(200_000));
    const stream = at.file.read(0, 199_999);
    const got: Buffer[] = [];
    const reading = (async () => {
      for await (const chunk of stream) {
        got.push(chunk);
        await overwrite(at.path, 'y'.repeat(200_000));
        await later(at.path);
      }
    })();
    await expect(reading).rejects.toThrow(/was written/);
    expect(Buffer.concat(got).length).toBeLessThan(200_000);
    await at.file.close();
  });

  it('and only grows is read as it was', async () => {
    await using at = await opened('first');
    await appendFile(at.path, ' second');
    await later(at.path);
    expect(String(await bytesOf(at.file.read(0, 4)))).toBe('first');
    expect(await at.file.isUnchanged()).toBe(false);
    await at.file.close();
    const now = await openTaskFile(at.root, 'a', 'path');
    expect([now.size, now.etag]).toEqual([12, expect.not.stringMatching(at.file.etag)]);
    await now.close();
  });

  it('is the one that was opened where another takes its name', async () => {
    await using at = await opened('first');
    await run('mv', [at.path, `${at.path}-old`]);
    await writeFile(at.path, 'other');
    expect(String(await bytesOf(at.file.read(0, 4)))).toBe('first');
    await at.file.close();
  });

  it('can be closed under a stream that is dropped', async () => {
    await using at = await opened('x'.repeat(1_000_000));
    const stream = at.file.read(0, 999_999);
    await new Promise((read) => stream.once('data', read));
    stream.destroy();
    await at.file.close();
    expect(openIn(at.root)).toEqual([]);
  });

  it.each(['pipe', 'socket', 'folder', 'out', 'missing'])('can be no %s', async (kind) => {
    await using at = await folders();
    const path = join(at.root, kind);
    if (kind === 'pipe') await run('mkfifo', [path]);
    if (kind === 'folder') await mkdir(path);
    if (kind === 'out') await symlink('/etc/passwd', path);
    if (kind === 'socket') {
      const program = 'require("net").createServer().listen(process.argv[1], () => process.exit())';
      await run(process.execPath, ['-e', program, path]);
    }
    await expect(openTaskFile(at.root, kind, 'path')).rejects.toMatchObject({
      code: expect.stringMatching(/INVALID_INPUT|FILE_NOT_FOUND/),
    });
    expect(openIn(at.root)).toEqual([]);
  });
});
