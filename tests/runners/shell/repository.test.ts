import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mountsFor } from '../../../src/runners/shell/mounts.ts';
import { repositoryOf } from '../../../src/runners/shell/repository.ts';
import { tempDir } from '../../support/temp.ts';

let root: Awaited<ReturnType<typeof tempDir>>;
let workspace: string;
const git = (cwd: string, ...args: string[]) =>
  execFileSync(
    'git',
    ['-c', 'user.name=x', '-c', 'user.email=x@y', '-c', 'protocol.file.allow=always', ...args],
    { cwd, stdio: 'pipe' },
  );

beforeAll(async () => {
  root = await tempDir('repository-');
  workspace = join(root.path, 'workspace');
  for (const folder of ['repo/packages/foo', 'library'])
    await mkdir(join(workspace, folder), { recursive: true });
  for (const folder of ['repo', 'library']) {
    git(join(workspace, folder), 'init', '-q');
    git(join(workspace, folder), 'commit', '-q', '--allow-empty', '-m', 'first');
  }
  git(join(workspace, 'repo'), 'worktree', 'add', '-q', '../linked');
  git(join(workspace, 'repo'), 'submodule', '--quiet', 'add', '../library', 'sub');
});
afterAll(() => root.remove());

const of = (folder: string) => repositoryOf(join(workspace, folder), [workspace]);

describe('git may write', () => {
  it('in the repository around the folder', async () => {
    const repo = join(workspace, 'repo');
    expect(await of('repo/packages/foo')).toEqual({ root: repo, gitDirs: [join(repo, '.git')] });
  });

  it('in the repository of a linked work tree', async () => {
    expect((await of('linked'))?.gitDirs).toEqual([join(workspace, 'repo', '.git')]);
  });

  it('in the data of a submodule', async () => {
    expect((await of('repo/sub'))?.gitDirs).toEqual([join(workspace, 'repo', '.git', 'modules', 'sub')]);
  });
});

describe('a folder that a task has prepared', () => {
  const planted = async (name: string, link: string) => {
    await mkdir(join(workspace, name));
    await writeFile(join(workspace, name, '.git'), `gitdir: ${link}\n`);
    return (await of(name))?.gitDirs;
  };

  it('opens nothing by a .git file whose target does not point back', async () => {
    const secret = join(root.path, 'secret');
    await mkdir(secret);
    expect(await planted('one', secret)).toEqual([]);
    expect(await planted('two', join(workspace, 'repo', '.git', 'worktrees', 'linked'))).toEqual([]);
    expect(await planted('three', join(workspace, 'repo', '.git', 'modules', 'sub'))).toEqual([]);
    expect(await planted('four', '/etc')).toEqual([]);
  });

  it('opens nothing by one whose target is its own folder, which points elsewhere', async () => {
    const own = join(workspace, 'five', 'own');
    await mkdir(own, { recursive: true });
    await writeFile(join(workspace, 'five', '.git'), 'gitdir: own\n');
    await writeFile(join(own, 'gitdir'), join(workspace, 'five', '.git'));
    await writeFile(join(own, 'commondir'), '/etc');
    expect((await of('five'))?.gitDirs).toEqual([]);
  });

  it('opens nothing by a link in place of .git', async () => {
    await mkdir(join(workspace, 'six'));
    await symlink('/etc', join(workspace, 'six', '.git'));
    expect(await of('six')).toBeUndefined();
  });
});

describe('the mounts of a sandbox', () => {
  const rules = {
    env: { HOME: '/root' },
    roots: [],
    writable: [],
    readable: [],
    get workspaceDir() {
      return workspace;
    },
    get privateFolders() {
      return [join(workspace, 'repo', 'data')];
    },
  };

  it('hide the bridge’s files also in the folder of a task, and where the operator names them', async () => {
    const data = join(workspace, 'repo', 'data');
    await mkdir(data);
    const mounts = await mountsFor({ ...rules, writable: [data] }, join(workspace, 'repo'), '/tmp/x');
    expect(mounts.find(({ path }) => path === data)).toMatchObject({ kind: 'hidden' });
    expect(mounts.findIndex(({ path }) => path === data)).toBeGreaterThan(
      mounts.findIndex(({ path }) => path === join(workspace, 'repo')),
    );
  });

  it('show the repository around the folder, and let git write in it', async () => {
    const mounts = await mountsFor(rules, join(workspace, 'repo/packages/foo'), '/tmp/x');
    expect(mounts).toEqual(
      expect.arrayContaining([
        { kind: 'hidden', path: workspace, folder: true },
        { kind: 'read-only', path: join(workspace, 'repo'), folder: true },
        { kind: 'writable', path: join(workspace, 'repo', '.git'), folder: true },
        { kind: 'writable', path: join(workspace, 'repo/packages/foo'), folder: true },
      ]),
    );
  });
});
