import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeTaskDirectory, resolveTaskDirectory } from '../../src/workspaces/resolve-directory.ts';
import { git, repository, temporaryFolder, write } from './folder.ts';

function setUp() {
  const base = temporaryFolder();
  const workspaceDir = join(base, 'workspace');
  const root = join(base, 'roots');
  for (const path of [workspaceDir, root, join(root, 'app'), join(base, 'roots-evil'), join(base, 'other')]) {
    mkdirSync(path);
  }
  const resolve = (requested?: string) =>
    resolveTaskDirectory({ requested, taskId: 'task_1', workspaceDir, roots: [root, join(base, 'missing')] });
  return { base, workspaceDir, root, resolve };
}

describe('resolveTaskDirectory', () => {
  test('without a request it names a folder of the task and makes nothing', async () => {
    const { workspaceDir, resolve } = setUp();
    expect(await resolve()).toEqual({ path: join(workspaceDir, 'task_1'), ours: true });
    expect(readdirSync(workspaceDir)).toEqual([]);
  });

  test('the workspace itself may have yet to be made, below a symlink', async () => {
    const { base } = setUp();
    symlinkSync(join(base, 'other'), join(base, 'link'));
    const made = await resolveTaskDirectory({
      taskId: 't',
      workspaceDir: join(base, 'link', 'a', 'b'),
      roots: [],
    });
    expect(made).toEqual({ path: join(base, 'other', 'a', 'b', 't'), ours: true });
    expect(existsSync(join(base, 'other', 'a'))).toBe(false);
  });

  test('accepts existing folders in the workspace and in the roots, absolute, relative or through a link', async () => {
    const { base, workspaceDir, root, resolve } = setUp();
    mkdirSync(join(workspaceDir, 'earlier'));
    symlinkSync(join(root, 'app'), join(workspaceDir, 'link'));
    symlinkSync(root, join(base, 'root-link'));
    const app = { path: join(root, 'app'), ours: false };
    expect(await resolve(join(root, 'app'))).toEqual(app);
    expect(await resolve('link')).toEqual(app);
    expect(await resolve('../roots/app')).toEqual(app);
    expect(await resolve(root)).toEqual({ path: root, ours: false });
    expect(await resolve('earlier')).toEqual({ path: join(workspaceDir, 'earlier'), ours: false });
    const linked = { requested: join(base, 'root-link', 'app'), taskId: 't', workspaceDir };
    expect(await resolveTaskDirectory({ ...linked, roots: [join(base, 'root-link')] })).toEqual(app);
  });

  test.each([
    ['..', 'is outside the allowed folders'],
    ['../other', 'is outside the allowed folders'],
    ['/', 'is outside the allowed folders'],
    ['/etc', 'is outside the allowed folders'],
    ['../roots-evil', 'is outside the allowed folders'],
    ['../roots/../other', 'is outside the allowed folders'],
    ['escape', 'leads outside the allowed folders'],
    ['escape/sub', 'does not exist'],
    ['loop', 'cannot be opened'],
    ['nowhere', 'does not exist'],
    ['file', 'is not a folder'],
    ['a\0b', 'contains a NUL character'],
    ['', 'is empty'],
  ])('refuses %j', async (requested, why) => {
    const { base, workspaceDir, root, resolve } = setUp();
    symlinkSync(join(base, 'other'), join(workspaceDir, 'escape'));
    symlinkSync('loop', join(workspaceDir, 'loop'));
    writeFileSync(join(workspaceDir, 'file'), '');
    const refused = expect(resolve(requested)).rejects;
    await refused.toMatchObject({ code: 'INVALID_INPUT', next: expect.stringContaining('existing folder') });
    await refused.toThrow(`directory ${JSON.stringify(requested)} ${why}`);
    await refused.toThrow(JSON.stringify(workspaceDir));
    await refused.toThrow(JSON.stringify(root));
  });

  test('refuses a task id that is not a folder name', async () => {
    const { workspaceDir } = setUp();
    for (const taskId of ['..', '', 'a/b', '.git', 'a\0']) {
      const asked = resolveTaskDirectory({ taskId, workspaceDir, roots: [] });
      await expect(asked).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    }
  });
});

describe('makeTaskDirectory', () => {
  test('makes a repository that git accepts, apart from the one above', async () => {
    const above = repository(temporaryFolder(), { 'above.txt': 'above\n' });
    const path = join(above, 'workspace', 'task_1');
    await makeTaskDirectory(path);
    expect(git(path, 'rev-parse', '--show-toplevel').trim()).toBe(path);
    expect(git(path, 'status', '--porcelain=v2', '--branch')).toContain('# branch.head main');
    write(path, { 'a.txt': 'a\n' });
    git(path, 'add', '-A');
    git(path, 'commit', '-q', '-m', 'one');
    expect(git(path, 'log', '--format=%s').trim()).toBe('one');
    expect(git(path, 'fsck', '--strict')).toBe('');
  });

  test('leaves an existing folder and its repository as they are', async () => {
    const path = repository(join(temporaryFolder(), 'r'), { 'a.txt': 'a\n' });
    await makeTaskDirectory(path);
    expect(git(path, 'log', '--format=%s').trim()).toBe('first');
  });

  test('refuses a file or a planted link in its place', async () => {
    const base = temporaryFolder();
    mkdirSync(join(base, 'elsewhere'));
    symlinkSync(join(base, 'elsewhere'), join(base, 'link'));
    writeFileSync(join(base, 'file'), '');
    for (const name of ['link', 'file']) {
      await expect(makeTaskDirectory(join(base, name))).rejects.toMatchObject({ code: 'INVALID_STATE' });
    }
    expect(readdirSync(join(base, 'elsewhere'))).toEqual([]);
  });
});
