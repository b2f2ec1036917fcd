import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readLockInfo } from '../../src/store/lock-info.ts';
import { lockDataDir } from '../../src/store/sqlite/data-dir-lock.ts';
import { openDatabase } from '../../src/store/sqlite/database.ts';
import { tempDir } from '../support/temp.ts';

let folder: Awaited<ReturnType<typeof tempDir>>;
let file: string;

beforeEach(async () => {
  folder = await tempDir('owner-');
  file = join(folder.path, 'owner.json');
});

afterEach(() => folder.remove());

test('the process that holds DATA_DIR is published, with its token once it listens, until it withdraws', async () => {
  const claim = lockDataDir(folder.path, 'stdio');
  const published = { pid: process.pid, kind: 'stdio', since: expect.stringMatching(/^20.*Z$/) };
  expect(readLockInfo(folder.path)).toEqual(published);
  claim.announce('http://127.0.0.1:1/mcp');
  expect(readLockInfo(folder.path)).toEqual({
    ...published,
    url: 'http://127.0.0.1:1/mcp',
    token: claim.token,
  });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  claim.withdraw();
  expect(readLockInfo(folder.path)).toBeUndefined();
  claim.withdraw();
  claim.database.close();
});

test('each claim has a token of its own, in a file that nobody else may read whatever was there', async () => {
  for (const name of ['owner.json', 'owner.json.new']) {
    await writeFile(join(folder.path, name), 'left behind');
    await chmod(join(folder.path, name), 0o666);
  }
  const tokens = [1, 2].map(() => {
    const claim = lockDataDir(folder.path, 'serve');
    claim.announce('http://127.0.0.1:1/mcp');
    claim.database.close();
    return claim.token;
  });
  expect(new Set(tokens).size).toBe(2);
  expect(await readFile(file, 'utf8')).toContain(tokens[1]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('a process that is dead is no owner, nor is what cannot be read', async () => {
  const dead = spawn(process.execPath, ['-e', '']);
  await once(dead, 'exit');
  const owner = { pid: dead.pid, kind: 'serve', since: new Date().toISOString() };
  await writeFile(file, JSON.stringify({ ...owner, pid: process.pid }));
  expect(readLockInfo(folder.path)?.pid).toBe(process.pid);
  for (const text of [JSON.stringify(owner), '{', '{"pid":0}', JSON.stringify({ ...owner, pid: -1 })]) {
    await writeFile(file, text);
    expect(readLockInfo(folder.path)).toBeUndefined();
  }
});

test('a DATA_DIR in use says by whom, and is not harmed by who asks', () => {
  const claim = lockDataDir(folder.path, 'serve');
  claim.announce('http://127.0.0.1:1/mcp');
  const who = new RegExp(`process ${process.pid} \\(serve, since \\S+, http://127.0.0.1:1/mcp\\)`);
  expect(() => lockDataDir(folder.path, 'stdio')).toThrow(who);
  expect(() => openDatabase(folder.path)).toThrow(who);
  expect(readLockInfo(folder.path)?.token).toBe(claim.token);
  claim.database.close();
});
