import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findCredentials } from '../../../src/runners/shell/credentials.ts';
import { mountsFor } from '../../../src/runners/shell/mounts.ts';
import { tempDir } from '../../support/temp.ts';

async function homeWith(files: Record<string, string>) {
  const home = await tempDir('credentials-');
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(home.path, name)), { recursive: true });
    await writeFile(join(home.path, name), content);
  }
  return home;
}

/** What is found below the home; as root also files of the system and of other homes are. */
async function foundIn(home: string, shown: string[] = [], env: Record<string, string> = {}) {
  const found = await findCredentials({ HOME: home, ...env }, shown);
  return found
    .map((path) => relative(home, path))
    .filter((path) => !path.startsWith('..'))
    .sort();
}

/** A variable as configuration files have it. */
const variable = (name: string) => `\${${name}}`;

describe('configuration is hidden if it has a secret', () => {
  it.each([
    ['.npmrc', '//registry.test/:_authToken=npm_abc'],
    ['.npmrc', 'registry=https://registry.test\n_auth = "YTpi"'],
    ['.yarnrc.yml', 'npmScopes:\n  mine:\n    npmAuthToken: abc'],
    ['.config/pip/pip.conf', '[global]\nindex-url = https://anna:abc@registry.test/simple'],
    ['.gitconfig', '[url "https://token:abc@forge.test/"]\n  insteadOf = https://forge.test/'],
    ['.m2/settings.xml', '<server><password>abc</password></server>'],
    ['.nuget/NuGet/NuGet.Config', '<add key="ClearTextPassword" value="abc" />'],
    ['.gradle/gradle.properties', 'mavenPassword=abc'],
    ['.bashrc', 'export OPENAI_API_KEY=sk-abc'],
    ['.bashrc', "alias x='y'\nexport STRIPE_KEY='abc'"],
    ['.config/fish/config.fish', 'set -gx GITHUB_TOKEN abc'],
  ])('%s: %s', async (name, content) => {
    await using home = await homeWith({ [name]: content });
    expect(await foundIn(home.path)).toEqual([name]);
  });

  it.each([
    [
      '.npmrc',
      `registry=https://registry.test\nalways-auth=true\n//registry.test/:_authToken=${variable('NPM_TOKEN')}`,
    ],
    ['.config/pip/pip.conf', '[global]\nindex-url = https://registry.test/simple'],
    ['.gitconfig', '[user]\n  name = Anna\n  signingkey = 0123\n[credential]\n  helper = cache'],
    ['.m2/settings.xml', `<server>\n<password>${variable('env.MAVEN')}</password>\n</server>`],
    ['.bashrc', '# token and password\nexport GITHUB_TOKEN="$(pass show forge)"\nPS1="\\u@\\h:\\w "'],
    ['.config/fish/config.fish', 'set -gx GITHUB_TOKEN (pass show forge)\nset -x EDITOR vi'],
  ])('but not %s without: %s', async (name, content) => {
    await using home = await homeWith({ [name]: content });
    expect(await foundIn(home.path)).toEqual([]);
  });

  it('a pipe is hidden without reading it', async () => {
    await using home = await homeWith({});
    execFileSync('mkfifo', [join(home.path, '.env')]);
    expect(await foundIn(home.path)).toEqual(['.env']);
  });
});

it('what the operator shows is not hidden, nor what lies below it', async () => {
  await using home = await homeWith({ '.ssh/id': 'x', '.aws/credentials': 'x', '.config/gh/hosts.yml': 'x' });
  const { path } = home;
  expect(await foundIn(path)).toEqual(['.aws', '.config/gh', '.ssh']);
  expect(await foundIn(path, [join(path, '.aws')])).toEqual(['.config/gh', '.ssh']);
  expect(await foundIn(path, [join(path, '.config')])).toEqual(['.aws', '.ssh']);
  expect(await foundIn(path, [join(path, '.ssh', 'id')])).toEqual(['.aws', '.config/gh', '.ssh']);
  expect(await foundIn(path, [path])).toEqual([]);
});

it('what a link or a variable names is hidden where it is', async () => {
  await using home = await homeWith({ 'dotfiles/ssh/id': 'x', one: 'x', two: 'x' });
  const { path } = home;
  await symlink('dotfiles/ssh', join(path, '.ssh'));
  const KUBECONFIG = `${join(path, 'one')}:${join(path, 'two')}:relative:/none`;
  expect(await foundIn(path, [], { KUBECONFIG })).toEqual(['dotfiles/ssh', 'one', 'two']);
});

describe('the folder of a task', () => {
  const hiddenIn = async (home: string, directory: string) => {
    const rules = {
      env: { HOME: home },
      privateFolders: [],
      workspaceDir: '/nowhere',
      roots: [],
      writable: [],
    };
    const mounts = await mountsFor({ ...rules, readable: [] }, directory, '/tmp/x');
    return mounts
      .filter(({ kind, path }) => kind === 'hidden' && path.startsWith(home))
      .map(({ path }) => relative(home, path));
  };

  it('shows what lies in it', async () => {
    await using home = await homeWith({ 'dotfiles/ssh/id': 'x', '.aws/credentials': 'x' });
    await symlink('dotfiles/ssh', join(home.path, '.ssh'));
    expect(await hiddenIn(home.path, join(home.path, 'dotfiles'))).toEqual(['.aws']);
  });

  it('does not show the credentials of a home', async () => {
    await using home = await homeWith({ '.ssh/id': 'x', file: 'x' });
    expect(await hiddenIn(home.path, home.path)).toEqual(['.ssh']);
    expect(await hiddenIn(home.path, dirname(home.path))).toEqual(['.ssh']);
  });
});
